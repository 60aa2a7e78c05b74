// The recurrence's products in float32.

// The sum over two lanes that differ in `bit`: of `low` for the one whose bit is 0, of `high` for
// the other. Two sums cost one exchange.
__device__ inline float sum_with_partner(float low, float high, int bit) {
    const bool upper = threadIdx.x & bit;
    return (upper ? high : low) + __shfl_xor_sync(~0u, upper ? low : high, bit);
}

// Multiplies a vector of INPUTS numbers of each article by MATRICES matrices [UNITS, INPUTS], which
// are a block's rows of larger ones where it has others beside it. INPUTS is a multiple of the units
// of all BLOCKS.
//
// LANES neighbouring threads share OWN units: each has the weights of every LANES-th four inputs,
// in registers, and in shared memory those that do not fit. Their sums are added so that each
// thread ends with those of one unit and one article.
template <int UNITS, int MATRICES, int INPUTS, int BLOCKS>
struct Product {
    static constexpr int ARTICLES = BLOCKS == 1 ? 2 : 4;  // from their first step to their last
    static constexpr int THREADS = UNITS * ARTICLES, PLACES = 1;
    static constexpr int OWN = MATRICES == 1 && INPUTS > UNITS ? 8 : 4, LANES = OWN * ARTICLES;
    static constexpr int ROUNDS = (INPUTS / 4 + LANES - 1) / LANES, STRIDE = ROUNDS * LANES;
    static constexpr int FOURS = ROUNDS * OWN * MATRICES;  // float4s of weights a thread
    static constexpr int MOST = BLOCKS > 1 ? (MATRICES > 1 ? 28 : 32) : FOURS <= 48 ? 48 : 42;
    static constexpr int HELD = FOURS < MOST ? FOURS : MOST;  // of them in registers
    static constexpr int VECTORS = ARTICLES * STRIDE;      // float4s; a step reads, a step writes
    static constexpr int SHARED = 2 * VECTORS + (FOURS - HELD) * THREADS;
    static_assert(LANES <= 32);

    struct Sums {
        float of[PLACES][MATRICES];
    };

    float4 *vectors, *weights, held[HELD];
    const int lane = threadIdx.x % LANES;
    const int first = blockIdx.x % BLOCKS * UNITS + threadIdx.x / LANES * OWN;  // unit of the lanes

    __device__ static float rounded(float number) { return number; }

    // Whose sums this thread gets.
    __device__ int unit(int) const { return first + lane % OWN; }
    __device__ int article(int) const { return lane / OWN; }

    // `weight(matrix, unit, input)` returns one weight, of a unit and of inputs below `hidden`.
    template <typename Weight>
    __device__ Product(int hidden, Weight weight)
        : vectors(own_shared()), weights(vectors + 2 * VECTORS + threadIdx.x) {
        for (int i = threadIdx.x; i < 2 * VECTORS; i += THREADS) vectors[i] = float4{0, 0, 0, 0};
        const auto four = [&](int i) {
            const int from = (i / (OWN * MATRICES) * LANES + lane) * 4;
            const int matrix = i % MATRICES, of = first + i / MATRICES % OWN;
            const auto one = [&](int input) {
                const bool is = of < hidden && input < INPUTS && input % (UNITS * BLOCKS) < hidden;
                return is ? weight(matrix, of, input) : 0;
            };
            return float4{one(from), one(from + 1), one(from + 2), one(from + 3)};
        };
#pragma unroll 1  // and before the others: else their addresses need registers too
        for (int i = HELD; i < FOURS; i++) weights[(i - HELD) * THREADS] = four(i);
#pragma unroll
        for (int i = 0; i < HELD; i++) held[i] = four(i);
    }

    // Sets a number of a place's article, which the step after the next barrier multiplies, in all
    // blocks.
    __device__ void set(int step, int place, int input, float number) {
        float* const own = (float*)(vectors + step % 2 * VECTORS + article(place) * STRIDE) + input;
#pragma unroll
        for (int block = 0; block < BLOCKS; block++) *in_block<BLOCKS>(own, block) = number;
    }

    __device__ Sums sums(int step) const {
        const float4* const from = vectors + step % 2 * VECTORS + lane;
        float s[ARTICLES * OWN][MATRICES] = {};
#pragma unroll
        for (int round = 0; round < ROUNDS; round++) {
            float4 x[ARTICLES];
#pragma unroll
            for (int a = 0; a < ARTICLES; a++) x[a] = from[a * STRIDE + round * LANES];
#pragma unroll
            for (int i = 0; i < OWN * MATRICES; i++) {
                const int four = round * OWN * MATRICES + i;
                const float4 w = four < HELD ? held[four] : weights[(four - HELD) * THREADS];
#pragma unroll
                for (int a = 0; a < ARTICLES; a++) {
                    float& sum = s[a * OWN + i / MATRICES][i % MATRICES];
                    sum += w.x * x[a].x;
                    sum += w.y * x[a].y;
                    sum += w.z * x[a].z;
                    sum += w.w * x[a].w;
                }
            }
        }
#pragma unroll
        for (int level = 1; level < LANES; level *= 2) {
            const int half = LANES / 2 / level;
#pragma unroll
            for (int i = 0; i < half; i++)
#pragma unroll
                for (int m = 0; m < MATRICES; m++)
                    s[i][m] = sum_with_partner(s[i][m], s[i + half][m], half);
        }
        Sums mine;
#pragma unroll
        for (int m = 0; m < MATRICES; m++) mine.of[0][m] = s[0][m];
        return mine;
    }
};
