// The recurrence's products in bfloat16, summed in float32, by tensor cores.

#ifdef __CUDA_ARCH__
// Returns the nearest number that bfloat16 has, which is the upper 16 of 32 bits.
__device__ inline float nearest_bfloat16(float number) {
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(number));
    return __uint_as_float(unsigned(bits) << 16);
}

// Adds a product of matrices [16, 16] and [16, 8], two numbers a register, to sums [16, 8]. Of the
// 32 threads, which share all three, 4 i + j has, each with the next column, or row of `b`,
//   in `a`     rows i, i + 8, i, i + 8 of columns 2j, 2j, 2j + 8, 2j + 8
//   in `b`     rows 2j, 2j + 8 of column i
//   in `sums`  rows i, i, i + 8, i + 8 of columns 2j, 2j + 1, 2j, 2j + 1
__device__ inline void multiply_add(float (&sums)[4], const unsigned (&a)[4], uint2 b) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y));
}
#endif

// Multiplies a vector of INPUTS numbers of each article by MATRICES matrices [UNITS, INPUTS], which
// are a block's rows of larger ones where it has others beside it. INPUTS is a multiple of the units
// of all BLOCKS. All numbers are of bfloat16.
//
// A warp has 16 units of all matrices, 16 inputs after another, in registers, and in shared memory
// those that do not fit. Of each matrix a thread gets the sums of two units and two articles.
template <int UNITS, int MATRICES, int INPUTS, int BLOCKS>
struct Product {
    static constexpr int ARTICLES = 8;  // from their first step to their last
    static constexpr int THREADS = UNITS * 2, PLACES = 4;
    static constexpr int ROUNDS = INPUTS / 16;
    static constexpr int MOST = BLOCKS > 1 ? 32 / MATRICES : ROUNDS;
    static constexpr int HELD = ROUNDS < MOST ? ROUNDS : MOST;  // of the rounds in registers
    static constexpr int STRIDE = INPUTS / 4 + 4;        // uint2s; half a warp reads all banks
    static constexpr int VECTORS = ARTICLES * STRIDE;    // uint2s; a step reads, a step writes
    static constexpr int SHARED = VECTORS + (ROUNDS - HELD) * MATRICES * THREADS;  // float4s
    static constexpr int SUMS = MATRICES == 1 ? 4 : 1;  // that take turns: each waits for its last

    struct Sums {
        float of[PLACES][MATRICES];
    };

    uint2* const vectors;
    uint4* const weights;
    unsigned held[HELD][MATRICES][4];
    const int first = blockIdx.x % BLOCKS * UNITS + threadIdx.x / 32 * 16;  // unit of the warp
    const int i = threadIdx.x % 32 / 4, j = threadIdx.x % 4;

    __device__ static float rounded(float number) { return nearest_bfloat16(number); }

    // Whose sums this thread gets.
    __device__ int unit(int place) const { return first + i + place / 2 * 8; }
    __device__ int article(int place) const { return j * 2 + place % 2; }

    // `weight(matrix, unit, input)` returns one weight, of a unit and of inputs below `hidden`.
    template <typename Weight>
    __device__ Product(int hidden, Weight weight)
        : vectors((uint2*)own_shared()), weights((uint4*)own_shared() + VECTORS + threadIdx.x) {
        for (int at = threadIdx.x; at < 2 * VECTORS; at += THREADS) vectors[at] = uint2{0, 0};
        const auto bits = [&](int matrix, int unit, int input) {
            const bool is = unit < hidden && input % (UNITS * BLOCKS) < hidden;
            return is ? __float_as_uint(weight(matrix, unit, input)) : 0;
        };
        // Four inputs of a thread lie side by side: for the sum any order is right.
        const auto two = [&](int round, int matrix, int r) {
            const int unit = first + i + r % 2 * 8, input = round * 16 + j * 4 + r / 2 * 2;
            return bits(matrix, unit, input) >> 16 | bits(matrix, unit, input + 1);
        };
#pragma unroll 1
        for (int at = HELD * MATRICES; at < ROUNDS * MATRICES; at++) {
            const int round = at / MATRICES, m = at % MATRICES;
            weights[(at - HELD * MATRICES) * THREADS] =
                uint4{two(round, m, 0), two(round, m, 1), two(round, m, 2), two(round, m, 3)};
        }
#pragma unroll
        for (int round = 0; round < HELD; round++) {
            // A branch, without which the addresses of all weights need registers at once.
            const bool padding = round * 16 % (UNITS * BLOCKS) >= hidden;
#pragma unroll
            for (int m = 0; m < MATRICES; m++)
#pragma unroll
                for (int r = 0; r < 4; r++) {
                    held[round][m][r] = 0;
                    if (!padding) held[round][m][r] = two(round, m, r);
                }
        }
    }

    // Sets a number of a place's article, which the step after the next barrier multiplies, in all
    // blocks.
    __device__ void set(int step, int place, int input, float number) {
        uint2* const to = vectors + step % 2 * VECTORS + article(place) * STRIDE;
        unsigned short* const own = (unsigned short*)to + input;
#pragma unroll
        for (int block = 0; block < BLOCKS; block++)
            *in_block<BLOCKS>(own, block) = __float_as_uint(number) >> 16;
    }

    __device__ Sums sums(int step) const {
        const uint2* const from = vectors + step % 2 * VECTORS + i * STRIDE + j;
        float s[SUMS][MATRICES][PLACES] = {};
#pragma unroll
        for (int round = 0; round < ROUNDS; round++) {
            const uint2 x = from[round * 4];
#pragma unroll
            for (int m = 0; m < MATRICES; m++) {
                if (round < HELD) {
                    multiply_add(s[round % SUMS][m], held[round < HELD ? round : 0][m], x);
                } else {
                    const uint4 w = weights[((round - HELD) * MATRICES + m) * THREADS];
                    const unsigned a[4] = {w.x, w.y, w.z, w.w};
                    multiply_add(s[round % SUMS][m], a, x);
                }
            }
        }
        Sums mine;
#pragma unroll
        for (int p = 0; p < PLACES; p++)
#pragma unroll
            for (int m = 0; m < MATRICES; m++) {
                mine.of[p][m] = s[0][m][p];
#pragma unroll
                for (int turn = 1; turn < SUMS; turn++) mine.of[p][m] += s[turn][m][p];
            }
        return mine;
    }
};
