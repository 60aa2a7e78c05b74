// The CUDA kernels on a CPU: the threads of a block, or of a cluster of blocks, are coroutines, which
// take turns at barriers and exchanges. A warp runs from one barrier to the next before another
// begins, and a block from one barrier of the cluster to the next, in ascending or descending order,
// so that a barrier that is missing shows in the results.
//
// -DPRODUCTS='"float32.h"' chooses the products.

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#define __device__
#define __host__
#define __global__
#define __shared__
#define __restrict__

struct alignas(16) float4 {
    float x, y, z, w;
};

struct alignas(8) uint2 {
    unsigned x, y;
};

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

constexpr int WARP = 32, MOST_BLOCKS = 4, MOST_THREADS = MOST_BLOCKS * 256, STACK = 1 << 16;
enum State { NEW, AT_EXCHANGE, AT_BARRIER, AT_CLUSTER_BARRIER, FINISHED };

struct {
    int x;
} threadIdx, blockIdx;
constexpr int SHARED = 163840;  // bytes of a block, no more than an H100's has
static float4 shared_of[MOST_BLOCKS][SHARED / sizeof(float4)];
static int cluster, block_threads, running;  // blocks of a cluster, threads of a block, a thread

static State states_of[MOST_THREADS];
static char stacks[MOST_THREADS][STACK];
static jmp_buf scheduler, threads[MOST_THREADS];
static struct {
    float number;
    unsigned a[4], b[2];
} exchanged[2][MOST_THREADS];  // of an exchange, and of the one after it
static int exchanges[MOST_THREADS];
static int arrived[MOST_THREADS];  // the blocks of the cluster that a thread has arrived in
static std::function<void()> kernel;

static void run() {
    kernel();
    states_of[running] = FINISHED;
    _longjmp(scheduler, 1);
}

// Runs a thread of the cluster until it waits, or ends. Contexts only begin one: between them, jumps
// are faster.
static void resume(int thread) {
    running = thread;
    threadIdx.x = thread % block_threads;
    blockIdx.x = blockIdx.x / cluster * cluster + thread / block_threads;
    if (_setjmp(scheduler)) return;
    if (states_of[thread] != NEW) _longjmp(threads[thread], 1);
    ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_sp = stacks[thread];
    start.uc_stack.ss_size = STACK;
    makecontext(&start, run, 0);
    setcontext(&start);
}

static void wait(State state) {
    const int thread = running;
    states_of[thread] = state;
    if (!_setjmp(threads[thread])) _longjmp(scheduler, 1);
}

// All threads of a cluster get here before one goes on: nothing that is written later may be read
// after `wait_for_all`.
template <int BLOCKS>
void arrive() {
    if (BLOCKS == 1) return;
    arrived[running] = BLOCKS;
    wait(AT_CLUSTER_BARRIER);
}

template <int BLOCKS>
void wait_for_all() {
    if (BLOCKS == 1) return wait(AT_BARRIER);
    if (std::exchange(arrived[running], 0) != BLOCKS) {
        fprintf(stderr, "thread %d waits for a cluster without having arrived\n", running);
        abort();
    }
}

float4* own_shared() { return shared_of[blockIdx.x % cluster]; }

template <int BLOCKS, typename Number>
Number* in_block(Number* own, int block) {
    return (Number*)((char*)own - (char*)own_shared() + (char*)shared_of[block]);
}

float __shfl_xor_sync(unsigned, float number, int bit) {
    const int thread = running;
    auto* const all = exchanged[exchanges[thread]++ % 2];
    all[thread].number = number;
    wait(AT_EXCHANGE);
    return all[thread ^ bit].number;
}

unsigned __float_as_uint(float number) { return std::bit_cast<unsigned>(number); }
float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }

// The nearest number that bfloat16 has; of two that are as near, the even one.
float nearest_bfloat16(float number) {
    if (std::isnan(number)) return __uint_as_float(0x7fff0000);
    const unsigned bits = __float_as_uint(number);
    return __uint_as_float((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
}

// The upper or lower half of a register, a number of bfloat16.
static float half_of(unsigned bits, bool upper) {
    return __uint_as_float(upper ? bits & 0xffff0000 : bits << 16);
}

// PTX's mma.m16n8k16 with the fragments of its documentation, .bf16 and .f32, and sums in order.
void multiply_add(float (&sums)[4], const unsigned (&a)[4], uint2 b) {
    const int thread = running, lane = thread % WARP;
    auto* const all = exchanged[exchanges[thread]++ % 2];
    std::copy_n(a, 4, all[thread].a);
    all[thread].b[0] = b.x;
    all[thread].b[1] = b.y;
    wait(AT_EXCHANGE);
    const auto* const warp = all + thread - lane;
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++) {
            const int in_group = k % 8 / 2;
            const unsigned of_a = warp[row % 8 * 4 + in_group].a[row / 8 + k / 8 * 2];
            const unsigned of_b = warp[column * 4 + in_group].b[k / 8];
            sums[i] += half_of(of_a, k % 2) * half_of(of_b, k % 2);
        }
    }
}

using std::max;
using std::min;

#include PRODUCTS
#include "recurrence.cu"

// Runs a warp to its next barrier, or its end.
static State run_warp(int first) {
    do {
        for (int thread = first; thread < first + WARP; thread++) {
            resume(thread);
            if (states_of[thread] != states_of[first]) {
                fprintf(stderr, "threads %d and %d of a warp part\n", first, thread);
                abort();
            }
        }
    } while (states_of[first] == AT_EXCHANGE);
    return states_of[first];
}

// Runs `count` of something, and checks that all reach the same.
template <typename Run>
static State run_all(int count, bool descending, Run run) {
    State reached = NEW;
    for (int i = 0; i < count; i++) {
        const State state = run(descending ? count - 1 - i : i);
        if (i && state != reached) {
            fprintf(stderr, "one parts from those before it\n");
            abort();
        }
        reached = state;
    }
    return reached;
}

static void launch(int groups, bool descending) {
    for (int group = 0; group < groups; group++) {
        blockIdx.x = (descending ? groups - 1 - group : group) * cluster;
        const float nan = std::numeric_limits<float>::quiet_NaN();
        for (auto& shared : shared_of)
            std::fill(std::begin(shared), std::end(shared), float4{nan, nan, nan, nan});
        std::fill_n(states_of, cluster * block_threads, NEW);
        const auto run_block = [&](int block) {
            State reached;
            do {
                reached = run_all(block_threads / WARP, descending, [&](int warp) {
                    return run_warp(block * block_threads + warp * WARP);
                });
            } while (reached == AT_BARRIER);
            return reached;
        };
        while (run_all(cluster, descending, run_block) != FINISHED) {}
    }
}

// Calls `run` with the cell, the units of a block, and the blocks of a cluster as constants.
template <Cell CELL, typename Run>
static void with_sizes(int units, int blocks, Run run) {
    switch (units * blocks) {
        case 32: return run.template operator()<CELL, 32, 1>();
        case 64: return run.template operator()<CELL, 64, 1>();
        case 96: return run.template operator()<CELL, 96, 1>();
        case 128: return run.template operator()<CELL, 128, 1>();
        case 192: return run.template operator()<CELL, 64, 3>();
        default: return run.template operator()<CELL, 64, 4>();
    }
}

template <typename Run>
static void with_constants(int cell, int units, int blocks, Run run) {
    cluster = blocks;
    switch (cell) {
        case RNN: return with_sizes<RNN>(units, blocks, run);
        case GRU: return with_sizes<GRU>(units, blocks, run);
        default: return with_sizes<LSTM>(units, blocks, run);
    }
}

extern "C" void recurrence_forward(
    int cell, int units, int blocks, int groups, int descending, const long long* lengths,
    int articles, int steps, int hidden, int reversed, const float* weights, const float* n_bias,
    float* gates, float* states, float* extra) {
    const Batch batch{lengths, articles, steps, hidden, reversed};
    with_constants(cell, units, blocks, [&]<Cell CELL, int UNITS, int BLOCKS>() {
        using Product = ForwardProduct<CELL, UNITS, BLOCKS>;
        static_assert(Product::SHARED * sizeof(float4) <= SHARED);
        block_threads = Product::THREADS;
        kernel = [&] {
            forward<CELL, UNITS, BLOCKS>(batch, weights, n_bias, gates, states, extra);
        };
        launch(groups, descending);
    });
}

extern "C" void recurrence_backward(
    int cell, int units, int blocks, int groups, int descending, const long long* lengths,
    int articles, int steps, int hidden, int reversed, const float* weights, const float* gates,
    const float* states, const float* extra, const float* d_states, float* d_gates) {
    const Batch batch{lengths, articles, steps, hidden, reversed};
    with_constants(cell, units, blocks, [&]<Cell CELL, int UNITS, int BLOCKS>() {
        using Product = BackwardProduct<CELL, UNITS, BLOCKS>;
        static_assert(Product::SHARED * sizeof(float4) <= SHARED);
        block_threads = Product::THREADS;
        kernel = [&] {
            backward<CELL, UNITS, BLOCKS>(
                batch, weights, gates, states, extra, d_states, d_gates);
        };
        launch(groups, descending);
    });
}
