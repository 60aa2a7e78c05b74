// The recurrence of an RNN, GRU or LSTM, forward and backward, with weights that stay on the chip
// over all steps. What precedes this file, cluster.h, then float32.h or bfloat16.h, lets blocks work
// together, has the products of a step, and rounds what they multiply.
//
// W x + b of all steps is computed before, and the gradients of inputs and weights after, from
// those of the gates: large products, which are torch's.
//
// -DCOMPILED_CELL=GRU -DCOMPILED_UNITS=64 -DCOMPILED_BLOCKS=1 -DCOMPILED_SHARED=8192 makes the
// kernels of a GRU whose blocks have 64 units, a multiple of 32. They are launched with so many bytes
// of shared memory, and, with more blocks than one, in clusters of them.

enum Cell { RNN, GRU, LSTM };  // numbered as library.py's FusedCell

__host__ __device__ constexpr int gates_of(Cell cell) {
    return cell == RNN ? 1 : cell == GRU ? 3 : 4;
}

template <Cell CELL, int UNITS, int BLOCKS>
using ForwardProduct = Product<UNITS, gates_of(CELL), UNITS * BLOCKS, BLOCKS>;

template <Cell CELL, int UNITS, int BLOCKS>
using BackwardProduct = Product<UNITS, 1, gates_of(CELL) * UNITS * BLOCKS, BLOCKS>;

__device__ inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

// Returns a unit's next state. `gates` are W x + b before, and their values after; `sums` are U h.
// `c` is the LSTM's cell, and becomes U h + `n_bias` of the GRU's n, and the RNN's state before it
// is rounded.
template <Cell CELL>
__device__ float next_state(
    float (&gates)[gates_of(CELL)], const float (&sums)[gates_of(CELL)], float n_bias, float h,
    float& c) {
#pragma unroll
    for (int g = 0; g < (CELL == GRU ? 2 : gates_of(CELL)); g++) gates[g] += sums[g];
    if constexpr (CELL == RNN) {
        c = tanhf(gates[0]);
        return c;
    } else if constexpr (CELL == GRU) {
        auto& [r, z, n] = gates;
        c = sums[2] + n_bias;
        r = sigmoid(r);
        z = sigmoid(z);
        n = tanhf(n + r * c);
        return n + z * (h - n);
    } else {
        auto& [i, f, g, o] = gates;
        i = sigmoid(i);
        f = sigmoid(f);
        g = tanhf(g);
        o = sigmoid(o);
        c = f * c + i * g;
        return o * tanhf(c);
    }
}

// What the way back reads of a step: the gates and `extra` as `forward` left them, the state, of the
// LSTM the cell, of the step before, and the gradient of the state.
template <Cell CELL>
struct Step {
    float gates[gates_of(CELL)], extra, before, d_state;
};

// The GRU's gates have four gradients: n for W x + b, r and z, n for U h + b.
__host__ __device__ constexpr int gradients_of(Cell cell) {
    return gates_of(cell) + (cell == GRU);
}

// Writes the gradients of a unit's gates into `d`, and returns what of the state's, `d_h`, does not
// pass the weights on its way to the state before. `d_c` is the gradient of the LSTM's cell.
template <Cell CELL>
__device__ float gate_gradients(
    const Step<CELL>& step, float d_h, float& d_c, float (&d)[gradients_of(CELL)]) {
    if constexpr (CELL == RNN) {
        d[0] = d_h * (1 - step.extra * step.extra);
        return 0;
    } else if constexpr (CELL == GRU) {
        const auto& [r, z, n] = step.gates;
        d[0] = d_h * (1 - z) * (1 - n * n);
        d[1] = d[0] * step.extra * r * (1 - r);
        d[2] = d_h * (step.before - n) * z * (1 - z);
        d[3] = d[0] * r;
        return d_h * z;
    } else {
        const auto& [i, f, g, o] = step.gates;
        const float t = tanhf(step.extra);
        d_c += d_h * o * (1 - t * t);
        d[0] = d_c * g * i * (1 - i);
        d[1] = d_c * step.before * f * (1 - f);
        d[2] = d_c * i * (1 - g * g);
        d[3] = d_h * t * o * (1 - o);
        d_c *= f;
        return 0;
    }
}

// A unit of an article, the article's length, 0 of a unit that is padding, and where the unit's
// number of a step is in [articles, steps, hidden].
struct Place {
    int unit, length;
    long long at;
};

// The articles of a batch, padded to `steps`; `reversed` are read from their last token on.
struct Batch {
    const long long* lengths;
    int articles, steps, hidden, reversed;

    __device__ int length_of(int article) const {
        return article < articles ? min((int)lengths[article], steps) : 0;
    }

    // The length of the longest of `count` articles.
    __device__ int longest(int first, int count) const {
        int length = 0;
        for (int a = 0; a < count; a++) length = max(length, length_of(first + a));
        return length;
    }

    __device__ Place place(int unit, int article, int step) const {
        const int length = length_of(article);
        const int position = reversed ? length - 1 - step : step;
        const long long row = (long long)article * steps + position;
        return {unit, unit < hidden ? length : 0, row * hidden + unit};
    }

    // How far the number of the next step is.
    __device__ int stride() const { return reversed ? -hidden : hidden; }
};

// Writes the state after each step into `states` [articles, steps, hidden].
//
// `gates` [articles, steps, hidden, gates] are W x + b before. With `extra` [articles, steps,
// hidden] they are the gates' values after (not of the RNN), and `extra` is `c` of `next_state`.
// What lies beyond an article's length stays as it is in all of them.
template <Cell CELL, int UNITS, int BLOCKS>
__device__ void forward(
    Batch batch, const float* __restrict__ weights, const float* __restrict__ n_bias, float* gates,
    float* states, float* extra) {
    using Product = ForwardProduct<CELL, UNITS, BLOCKS>;
    constexpr int GATES = gates_of(CELL), PLACES = Product::PLACES;
    const int hidden = batch.hidden, stride = batch.stride();
    const int first = blockIdx.x / BLOCKS * Product::ARTICLES;
    const int last = batch.longest(first, Product::ARTICLES);
    Product product(hidden, [&](int gate, int unit, int input) {
        return weights[(gate * hidden + unit) * hidden + input];
    });
    Place places[PLACES];
    float b[PLACES], h[PLACES], c[PLACES];
#pragma unroll
    for (int p = 0; p < PLACES; p++) {
        places[p] = batch.place(product.unit(p), first + product.article(p), 0);
        b[p] = CELL == GRU && places[p].length ? n_bias[places[p].unit] : 0;
        h[p] = c[p] = 0;
    }
    arrive<BLOCKS>();
    wait_for_all<BLOCKS>();
    for (int step = 0; step < last; step++) {
        float x[PLACES][GATES];  // asked for before the product, which takes longer than memory
#pragma unroll
        for (int p = 0; p < PLACES; p++)
#pragma unroll
            for (int g = 0; g < GATES; g++)
                x[p][g] = step < places[p].length ? gates[places[p].at * GATES + g] : 0;
        const auto sums = product.sums(step);
#pragma unroll
        for (int p = 0; p < PLACES; p++) {
            const float next = next_state<CELL>(x[p], sums.of[p], b[p], h[p], c[p]);
            h[p] = step < places[p].length ? Product::rounded(next) : 0;
            product.set(step + 1, p, places[p].unit, h[p]);
        }
        arrive<BLOCKS>();
#pragma unroll
        for (int p = 0; p < PLACES; p++) {
            Place& place = places[p];
            if (step < place.length) {
                states[place.at] = h[p];
                if (extra) {
#pragma unroll
                    for (int g = 0; CELL != RNN && g < GATES; g++)
                        gates[place.at * GATES + g] = x[p][g];
                    extra[place.at] = c[p];
                }
            }
            place.at += stride;
        }
        wait_for_all<BLOCKS>();
    }
}

// Writes the gradients of the gates into `d_gates` [articles, steps, hidden, gradients]. What lies
// beyond an article's length stays as it is. The others are as `forward` left them; `d_states` are
// the gradients of `states`.
template <Cell CELL, int UNITS, int BLOCKS>
__device__ void backward(
    Batch batch, const float* __restrict__ weights, const float* __restrict__ gates,
    const float* __restrict__ states, const float* __restrict__ extra,
    const float* __restrict__ d_states, float* __restrict__ d_gates) {
    using Product = BackwardProduct<CELL, UNITS, BLOCKS>;
    constexpr int GATES = gates_of(CELL), GRADIENTS = gradients_of(CELL), PLACES = Product::PLACES;
    constexpr int OF_GATE = UNITS * BLOCKS;  // inputs
    const int hidden = batch.hidden, stride = batch.stride();
    const int first = blockIdx.x / BLOCKS * Product::ARTICLES;
    const int last = batch.longest(first, Product::ARTICLES);
    Product product(hidden, [&](int, int unit, int input) {
        return weights[(input / OF_GATE * hidden + input % OF_GATE) * hidden + unit];
    });
    const auto read = [&](const Place& place, int step) {
        Step<CELL> found{};
        if (step < 0 || step >= place.length) return found;
        found.d_state = d_states[place.at];
        found.extra = extra[place.at];
        if constexpr (CELL != RNN) {
#pragma unroll
            for (int g = 0; g < GATES; g++) found.gates[g] = gates[place.at * GATES + g];
            if (step) found.before = (CELL == GRU ? states : extra)[place.at - stride];
        }
        return found;
    };
    Place places[PLACES];
    Step<CELL> now[PLACES];
    float d_h[PLACES], d_c[PLACES];  // the gradients that later steps give to a step's h and c
#pragma unroll
    for (int p = 0; p < PLACES; p++) {
        places[p] = batch.place(product.unit(p), first + product.article(p), last - 1);
        now[p] = read(places[p], last - 1);
        d_h[p] = d_c[p] = 0;
    }
    arrive<BLOCKS>();
    wait_for_all<BLOCKS>();
    for (int step = last - 1; step >= 0; step--) {
        float d[PLACES][GRADIENTS];
#pragma unroll
        for (int p = 0; p < PLACES; p++) {
            const float d_state = Product::rounded(d_h[p] + now[p].d_state);
            d_h[p] = gate_gradients<CELL>(now[p], d_state, d_c[p], d[p]);
#pragma unroll
            for (int g = 0; g < GRADIENTS; g++) {
                d[p][g] = step < places[p].length ? Product::rounded(d[p][g]) : 0;
                const int gate = g - (GRADIENTS - GATES);
                if (gate >= 0) product.set(step, p, gate * OF_GATE + places[p].unit, d[p][g]);
            }
        }
        arrive<BLOCKS>();
#pragma unroll
        for (int p = 0; p < PLACES; p++) {
            Place& place = places[p];
#pragma unroll
            for (int g = 0; g < GRADIENTS; g++)
                if (step < place.length) d_gates[place.at * GRADIENTS + g] = d[p][g];
            place.at -= stride;
        }
        wait_for_all<BLOCKS>();
#pragma unroll
        for (int p = 0; p < PLACES; p++) now[p] = read(places[p], step - 1);  // as in `forward`
        const auto sums = product.sums(step);
#pragma unroll
        for (int p = 0; p < PLACES; p++) d_h[p] += sums.of[p][0];
    }
}

#ifdef COMPILED_CELL
using Forward = ForwardProduct<COMPILED_CELL, COMPILED_UNITS, COMPILED_BLOCKS>;
using Backward = BackwardProduct<COMPILED_CELL, COMPILED_UNITS, COMPILED_BLOCKS>;

static_assert(Forward::SHARED * sizeof(float4) <= COMPILED_SHARED);
static_assert(Backward::SHARED * sizeof(float4) <= COMPILED_SHARED);

#if COMPILED_BLOCKS > 1
#define KERNEL extern "C" __global__ __cluster_dims__(COMPILED_BLOCKS, 1, 1)
#else
#define KERNEL extern "C" __global__
#endif

KERNEL __launch_bounds__(Forward::THREADS, 1) void recurrence_forward(
    const long long* lengths, int articles, int steps, int hidden, int reversed,
    const float* weights, const float* n_bias, float* gates, float* states, float* extra) {
    const Batch batch{lengths, articles, steps, hidden, reversed};
    forward<COMPILED_CELL, COMPILED_UNITS, COMPILED_BLOCKS>(
        batch, weights, n_bias, gates, states, extra);
}

KERNEL __launch_bounds__(Backward::THREADS, 1) void recurrence_backward(
    const long long* lengths, int articles, int steps, int hidden, int reversed,
    const float* weights, const float* gates, const float* states, const float* extra,
    const float* d_states, float* d_gates) {
    const Batch batch{lengths, articles, steps, hidden, reversed};
    backward<COMPILED_CELL, COMPILED_UNITS, COMPILED_BLOCKS>(
        batch, weights, gates, states, extra, d_states, d_gates);
}
#endif
