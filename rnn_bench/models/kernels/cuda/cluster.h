// Blocks that share the units of the same articles: a cluster of a GPU's, whose blocks write into
// each other's shared memory. A block may also be alone, with all units.

#ifdef __CUDA_ARCH__
__device__ inline float4* own_shared() {
    extern __shared__ float4 shared[];
    return shared;
}

// Returns where another block of the cluster has what this one has at an address of its own.
template <int BLOCKS, typename Number>
__device__ inline Number* in_block(Number* own, int block) {
    if constexpr (BLOCKS == 1) {
        return own;
    } else {
        unsigned long long there;
        asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"((unsigned long long)own), "r"(block));
        return (Number*)there;
    }
}

// Says that this thread has written what the others read after `wait_for_all`. It also waits until
// what was written to the GPU's memory before is there, so that such writes come between the two.
template <int BLOCKS>
__device__ inline void arrive() {
    if constexpr (BLOCKS > 1) asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}

// Waits until all threads, of the cluster too, have arrived.
template <int BLOCKS>
__device__ inline void wait_for_all() {
    if constexpr (BLOCKS == 1) {
        __syncthreads();
    } else {
        asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
    }
}
#endif
