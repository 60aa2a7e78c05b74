// The equations of the three cells, as torch.nn.RNN, GRU and LSTM have them: a step forward for a
// tile of articles and a panel of units, and from a step's gradients to those of its gates.
//
//     RNN   h = tanh(a)
//     GRU   r, z = sigmoid(a_r), sigmoid(a_z);  n = tanh(a_n + r q);  h = n + z (h' - n)
//     LSTM  i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o);  g = tanh(a_g);
//           c = f c' + i g;  h = o tanh(c)
//
// where a = W x + U h' + biases for each gate, h' and c' are the states before the step, and of the
// GRU's n gate a_n = W x + bias and q = U h' + bias.
#pragma once

#include "geometry.h"
#include "products.h"

// The sums of a panel's gates, in a tile's registers for some rows and vectors after another:
// sums + r * 4 * LANES are those of row r. The GRU's q has the fourth vector.
template <Cell CELL>
INLINE void add_up(const Geometry<CELL>& g, const float* rows, long count, const float* packed,
                   const float* own_bias, float* sums) {
    const float* hidden_packed = packed + g.input_depth * COLUMNS<CELL>;
    constexpr int COUNT = group_size(VECTORS<CELL>);
    for (int from = 0; from < VECTORS<CELL>; from += COUNT)
        for_each_tile<COUNT>(count, [&](auto height, long first) {
            constexpr int ROWS = decltype(height)::value;
            const float* left = rows + first * g.row;
            float* to = sums + (first * 4 + from) * LANES;
            Vector tile[ROWS][COUNT] = {};
            multiply<COUNT * LANES>(tile, left, g.row, 1, packed + from * LANES * g.input_depth,
                                    g.input_depth);
            if constexpr (CELL == GRU)  // a_n is whole, and q begins
                for (int i = 0; i < ROWS; i++) {
                    store(to + (i * 4 + 2) * LANES, tile[i][2]);
                    tile[i][2] = load(own_bias);
                }
            multiply<COUNT * LANES>(tile, left + g.hidden_place, g.row, 1,
                                    hidden_packed + from * LANES * g.hidden, g.hidden);
            for (int i = 0; i < ROWS; i++)
                for (int v = 0; v < COUNT; v++) {
                    const bool is_q = CELL == GRU && v == 2;
                    store(to + (i * 4 + v + is_q) * LANES, tile[i][v]);
                }
        });
}

// What a step knows and makes of one article and a panel of units.
struct Forward {
    const float* sums;
    const float *state_before, *cell_before;
    float *state, *cell;
    float* gates;  // kept for the way back, if they are: GRU r z n q, LSTM i f g o
};

template <Cell CELL, bool TRAINING> INLINE void step_forward(Forward unit) {
    const float* sums = unit.sums;
    if constexpr (CELL == RNN) {
        for (int v = 0; v < 4; v++) store(unit.state + v * LANES, tanh(load(sums + v * LANES)));
    } else if constexpr (CELL == GRU) {
        const Vector r = sigmoid(load(sums)), z = sigmoid(load(sums + LANES));
        const Vector q = load(sums + 3 * LANES), n = tanh(load(sums + 2 * LANES) + r * q);
        store(unit.state, n + z * (load(unit.state_before) - n));
        if constexpr (TRAINING) {
            store(unit.gates, r), store(unit.gates + LANES, z);
            store(unit.gates + 2 * LANES, n), store(unit.gates + 3 * LANES, q);
        }
    } else {
        const Vector in = sigmoid(load(sums)), forget = sigmoid(load(sums + LANES));
        const Vector candidate = tanh(load(sums + 2 * LANES));
        const Vector out = sigmoid(load(sums + 3 * LANES));
        const Vector cell = forget * load(unit.cell_before) + in * candidate;
        store(unit.cell, cell);
        store(unit.state, out * tanh(cell));
        if constexpr (TRAINING) {
            store(unit.gates, in), store(unit.gates + LANES, forget);
            store(unit.gates + 2 * LANES, candidate), store(unit.gates + 3 * LANES, out);
        }
    }
}

// What a step's gradients are turned into, for one article and one vector of units.
struct Backward {
    float* d_state;   // of h_t; of the GRU it becomes the part of h_t-1's that does not pass gates
    float* d_cell;    // of the LSTM: of c_t, and becomes that of c_t-1
    float* d_gates;   // of a
    float* d_hidden;  // of the GRU's hidden products: as d_gates, but of q instead of a_n
    float* d_own_bias;
};

struct Known {
    const float* gates;
    const float *cell_before, *cell;    // c_t-1 and c_t
    const float *state_before, *state;  // h_t-1 and h_t
};

// All pointers are at the panel's first unit, of which `count` follow that are no padding. The
// gradients of padding become 0.
template <Cell CELL> INLINE void step_backward(int count, Known known, Backward to) {
    const float* gates = known.gates;
    if constexpr (CELL == RNN) {
        for (int v = 0; v < 4; v++) {
            const Vector h = load(known.state + v * LANES), d = load(to.d_state + v * LANES);
            store(to.d_gates + v * LANES, keep_lanes(d * (1.f - h * h), count - v * LANES));
        }
    } else if constexpr (CELL == GRU) {
        const Vector r = load(gates), z = load(gates + LANES);
        const Vector n = load(gates + 2 * LANES), q = load(gates + 3 * LANES);
        const Vector d = load(to.d_state);
        const Vector d_z = keep_lanes(d * (load(known.state_before) - n) * z * (1.f - z), count);
        const Vector d_n = keep_lanes(d * (1.f - z) * (1.f - n * n), count);
        const Vector d_r = keep_lanes(d_n * q * r * (1.f - r), count);
        const Vector d_q = keep_lanes(d_n * r, count);
        store(to.d_gates, d_r), store(to.d_gates + LANES, d_z);
        store(to.d_gates + 2 * LANES, d_n);
        store(to.d_hidden, d_r), store(to.d_hidden + LANES, d_z);
        store(to.d_hidden + 2 * LANES, d_q);
        store(to.d_own_bias, load(to.d_own_bias) + d_q);
        store(to.d_state, d * z);
    } else {
        const Vector in = load(gates), forget = load(gates + LANES);
        const Vector candidate = load(gates + 2 * LANES), out = load(gates + 3 * LANES);
        const Vector squashed = tanh(load(known.cell)), d = load(to.d_state);
        const Vector d_c = load(to.d_cell) + d * out * (1.f - squashed * squashed);
        const Vector d_i = d_c * candidate * in * (1.f - in);
        const Vector d_f = d_c * load(known.cell_before) * forget * (1.f - forget);
        const Vector d_g = d_c * in * (1.f - candidate * candidate);
        const Vector d_o = d * squashed * out * (1.f - out);
        store(to.d_gates, keep_lanes(d_i, count)), store(to.d_gates + LANES, keep_lanes(d_f, count));
        store(to.d_gates + 2 * LANES, keep_lanes(d_g, count));
        store(to.d_gates + 3 * LANES, keep_lanes(d_o, count));
        store(to.d_cell, d_c * forget);
    }
}
