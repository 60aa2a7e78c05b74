// The recurrence of an RNN, GRU or LSTM, forward and backward, in float32, with weights that stay
// on the chip over all steps.
//
// W x + b of all steps is computed before, and the gradients of inputs and weights after, from
// those of the gates: large products, which are torch's.
//
// -DCOMPILED_CELL=GRU -DCOMPILED_UNITS=64 -DCOMPILED_SHARED=8192 makes the kernels of a GRU of at
// most 64 units, a multiple of 32, which are launched with so many bytes of shared memory.

enum Cell { RNN, GRU, LSTM };  // numbered as library.py's FusedCell

constexpr int ARTICLES = 2;  // a block takes them from their first step to their last

__host__ __device__ constexpr int gates_of(Cell cell) {
    return cell == RNN ? 1 : cell == GRU ? 3 : 4;
}

__device__ inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

// The sum over two lanes that differ in `bit`: of `low` for the one whose bit is 0, of `high` for
// the other. Two sums cost one exchange.
__device__ inline float sum_with_partner(float low, float high, int bit) {
    const bool upper = threadIdx.x & bit;
    return (upper ? high : low) + __shfl_xor_sync(~0u, upper ? low : high, bit);
}

// Multiplies a vector of INPUTS numbers of each article by MATRICES matrices [UNITS, INPUTS].
//
// LANES neighbouring threads share OWN units: each has the weights of every LANES-th four inputs,
// in registers, and in shared memory those that do not fit. Their sums are added so that each
// thread ends with those of one unit and one article.
template <int UNITS, int MATRICES, int INPUTS, int OWN>
struct Product {
    static constexpr int THREADS = UNITS * ARTICLES, LANES = OWN * ARTICLES;
    static constexpr int ROUNDS = (INPUTS / 4 + LANES - 1) / LANES, STRIDE = ROUNDS * LANES;
    static constexpr int FOURS = ROUNDS * OWN * MATRICES;  // float4s of weights a thread
    static constexpr int HELD = FOURS <= 48 ? FOURS : 42;  // of them in registers
    static constexpr int VECTORS = ARTICLES * STRIDE;      // float4s; a step reads, a step writes
    static constexpr int SHARED = 2 * VECTORS + (FOURS - HELD) * THREADS;
    static_assert(LANES <= 32);

    struct Sums {
        float of[MATRICES];
    };

    float4 *vectors, *weights, held[HELD];
    const int lane = threadIdx.x % LANES, group = threadIdx.x / LANES;
    const int article = lane / OWN, unit = group * OWN + lane % OWN;  // whose sums this thread gets

    // `weight(matrix, unit, input)` returns one weight.
    template <typename Weight>
    __device__ Product(float4* shared, Weight weight)
        : vectors(shared), weights(shared + 2 * VECTORS + threadIdx.x) {
        for (int i = threadIdx.x; i < 2 * VECTORS; i += THREADS) vectors[i] = float4{0, 0, 0, 0};
        const auto four = [&](int i) {
            const int input = (i / (OWN * MATRICES) * LANES + lane) * 4;
            const int matrix = i % MATRICES, of = group * OWN + i / MATRICES % OWN;
            return float4{weight(matrix, of, input), weight(matrix, of, input + 1),
                          weight(matrix, of, input + 2), weight(matrix, of, input + 3)};
        };
#pragma unroll 1  // and before the others: else their addresses need registers too
        for (int i = HELD; i < FOURS; i++) weights[(i - HELD) * THREADS] = four(i);
#pragma unroll
        for (int i = 0; i < HELD; i++) held[i] = four(i);
    }

    // Sets a number of this thread's article, which the step after the next barrier multiplies.
    __device__ void set(int step, int input, float number) {
        ((float*)(vectors + step % 2 * VECTORS + article * STRIDE))[input] = number;
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
        for (int m = 0; m < MATRICES; m++) mine.of[m] = s[0][m];
        return mine;
    }
};

template <Cell CELL, int UNITS>
using ForwardProduct = Product<UNITS, gates_of(CELL), UNITS, 4>;

template <Cell CELL, int UNITS>
using BackwardProduct = Product<UNITS, 1, gates_of(CELL) * UNITS, 8>;

// The articles of a batch, padded to `steps`; `reversed` are read from their last token on.
struct Batch {
    const long long* lengths;
    int articles, steps, hidden, reversed;
};

// What a thread computes: one unit of one article.
struct Place {
    int unit, article, length, last;  // last: the length of the block's longest article
    const Batch batch;

    __device__ Place(int unit, int article_of_block, Batch batch)
        : unit(unit), article(blockIdx.x * ARTICLES + article_of_block), last(0), batch(batch) {
        for (int a = 0; a < ARTICLES; a++) last = max(last, length_of(blockIdx.x * ARTICLES + a));
        length = unit < batch.hidden ? length_of(article) : 0;  // a unit that is padding reads none
    }

    __device__ int length_of(int article) const {
        return article < batch.articles ? min((int)batch.lengths[article], batch.steps) : 0;
    }

    // Where its number of a step is in [articles, steps, numbers, hidden].
    __device__ size_t at(int step, int numbers = 1) const {
        const int position = batch.reversed ? length - 1 - step : step;
        return ((size_t)article * batch.steps + position) * numbers * batch.hidden + unit;
    }
};

// Writes the state after each step into `states` [articles, steps, hidden].
//
// `gates` [articles, steps, gates, hidden] are W x + b before. With `extra` [articles, steps,
// hidden] they are the gates' values after, and `extra` is the LSTM's cell, or U h + `n_bias` of
// the GRU's n. What lies beyond an article's length stays as it is in all of them.
template <Cell CELL, int UNITS>
__device__ void forward(
    Batch batch, const float* __restrict__ weights, const float* __restrict__ n_bias, float* gates,
    float* states, float* extra) {
    constexpr int GATES = gates_of(CELL);
    extern __shared__ float4 shared[];
    const int hidden = batch.hidden;
    ForwardProduct<CELL, UNITS> product(shared, [&](int gate, int unit, int input) {
        const bool is = unit < hidden && input < hidden;
        return is ? weights[(gate * hidden + unit) * hidden + input] : 0;
    });
    const Place place(product.unit, product.article, batch);
    const float b = CELL == GRU && place.length ? n_bias[place.unit] : 0;
    float h = 0, c = 0;
    __syncthreads();
    for (int step = 0; step < place.last; step++) {
        const bool reads = step < place.length;
        float x[GATES];  // asked for before the product, which takes longer than memory does
#pragma unroll
        for (int g = 0; g < GATES; g++)
            x[g] = reads ? gates[place.at(step, GATES) + g * hidden] : 0;
        const auto sums = product.sums(step);
        if (reads) {
#pragma unroll
            for (int g = 0; g < (CELL == GRU ? 2 : GATES); g++) x[g] += sums.of[g];
            if constexpr (CELL == RNN) {
                h = tanhf(x[0]);
            } else if constexpr (CELL == GRU) {
                c = sums.of[2] + b;
                x[0] = sigmoid(x[0]);
                x[1] = sigmoid(x[1]);
                x[2] = tanhf(x[2] + x[0] * c);
                h = x[2] + x[1] * (h - x[2]);
            } else {
                x[0] = sigmoid(x[0]);
                x[1] = sigmoid(x[1]);
                x[2] = tanhf(x[2]);
                x[3] = sigmoid(x[3]);
                c = x[1] * c + x[0] * x[2];
                h = x[3] * tanhf(c);
            }
            states[place.at(step)] = h;
            if (CELL != RNN && extra) {
#pragma unroll
                for (int g = 0; g < GATES; g++) gates[place.at(step, GATES) + g * hidden] = x[g];
                extra[place.at(step)] = c;
            }
        }
        product.set(step + 1, place.unit, h);
        __syncthreads();
    }
}

// Writes the gradients of the gates into `d_gates` [articles, steps, gates, hidden]. The GRU has
// four there: n for W x + b, r and z, n for U h + b. What lies beyond an article's length stays as
// it is. The others are as `forward` left them; `d_states` are the gradients of `states`.
template <Cell CELL, int UNITS>
__device__ void backward(
    Batch batch, const float* __restrict__ weights, const float* __restrict__ gates,
    const float* __restrict__ states, const float* __restrict__ extra,
    const float* __restrict__ d_states, float* __restrict__ d_gates) {
    constexpr int GATES = gates_of(CELL), FIRST = CELL == GRU ? 1 : 0;
    extern __shared__ float4 shared[];
    const int hidden = batch.hidden;
    BackwardProduct<CELL, UNITS> product(shared, [&](int, int unit, int input) {
        const int gate = input / UNITS, of = input % UNITS;
        const bool is = unit < hidden && of < hidden && gate < GATES;
        return is ? weights[(gate * hidden + of) * hidden + unit] : 0;
    });
    const Place place(product.unit, product.article, batch);

    struct Step {
        float gate[GATES], extra, before, d_state;  // before: the last step's h, of the LSTM its c
    };
    const auto read = [&](int step) {
        Step found{};
        if (step < 0 || step >= place.length) return found;
        const size_t at = place.at(step);
        found.d_state = d_states[at];
        found.extra = CELL == RNN ? states[at] : extra[at];
        if constexpr (CELL != RNN) {
#pragma unroll
            for (int g = 0; g < GATES; g++)
                found.gate[g] = gates[place.at(step, GATES) + g * hidden];
            if (step) found.before = (CELL == GRU ? states : extra)[place.at(step - 1)];
        }
        return found;
    };
    float d_h = 0, d_c = 0;  // the gradients that later steps give to a step's h and c
    Step now = read(place.last - 1);
    __syncthreads();
    for (int step = place.last - 1; step >= 0; step--) {
        float d[GATES] = {}, past = 0;  // past: what of d_h does not pass the weights
        if (step < place.length) {
            float* const written = d_gates + place.at(step, FIRST + GATES);
            d_h += now.d_state;
            if constexpr (CELL == RNN) {
                d[0] = d_h * (1 - now.extra * now.extra);
            } else if constexpr (CELL == GRU) {
                const float r = now.gate[0], z = now.gate[1], n = now.gate[2];
                const float d_n = d_h * (1 - z) * (1 - n * n);
                d[0] = d_n * now.extra * r * (1 - r);
                d[1] = d_h * (now.before - n) * z * (1 - z);
                d[2] = d_n * r;
                past = d_h * z;
                written[0] = d_n;
            } else {
                const float i = now.gate[0], f = now.gate[1], g = now.gate[2], o = now.gate[3];
                const float t = tanhf(now.extra);
                d_c += d_h * o * (1 - t * t);
                d[0] = d_c * g * i * (1 - i);
                d[1] = d_c * now.before * f * (1 - f);
                d[2] = d_c * i * (1 - g * g);
                d[3] = d_h * t * o * (1 - o);
                d_c *= f;
            }
#pragma unroll
            for (int g = 0; g < GATES; g++) written[(FIRST + g) * hidden] = d[g];
        }
#pragma unroll
        for (int g = 0; g < GATES; g++) product.set(step, g * UNITS + place.unit, d[g]);
        __syncthreads();
        now = read(step - 1);  // asked for before the product, too
        const auto sums = product.sums(step);
        d_h = past + sums.of[0];
    }
}

#ifdef COMPILED_CELL
constexpr int THREADS = COMPILED_UNITS * ARTICLES;

static_assert(
    ForwardProduct<COMPILED_CELL, COMPILED_UNITS>::SHARED * sizeof(float4) <= COMPILED_SHARED &&
    BackwardProduct<COMPILED_CELL, COMPILED_UNITS>::SHARED * sizeof(float4) <= COMPILED_SHARED);

extern "C" __global__ __launch_bounds__(THREADS, 1) void recurrence_forward(
    const long long* lengths, int articles, int steps, int hidden, int reversed,
    const float* weights, const float* n_bias, float* gates, float* states, float* extra) {
    const Batch batch{lengths, articles, steps, hidden, reversed};
    forward<COMPILED_CELL, COMPILED_UNITS>(batch, weights, n_bias, gates, states, extra);
}

extern "C" __global__ __launch_bounds__(THREADS, 1) void recurrence_backward(
    const long long* lengths, int articles, int steps, int hidden, int reversed,
    const float* weights, const float* gates, const float* states, const float* extra,
    const float* d_states, float* d_gates) {
    const Batch batch{lengths, articles, steps, hidden, reversed};
    backward<COMPILED_CELL, COMPILED_UNITS>(
        batch, weights, gates, states, extra, d_states, d_gates);
}
#endif
