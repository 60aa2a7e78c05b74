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

// A step's data for the articles from a tile's first row on.
struct Step {
    const float* rows;  // [x_t, 1, h_t-1]
    float* gates;       // kept for the way back: GRU r z n q, LSTM i f g o
    const float* cells_before;
    float* cells;  // of the LSTM
};

struct PanelWeights {
    const float* packed;
    const float* own_bias;  // of the GRU's q
};

// A tile of a step. `state_of(i)` is where h_t of the tile's row i goes; TRAINING keeps the gates.
template <Cell CELL, bool TRAINING, int ROWS, class StateOf>
INLINE void step_forward(const Geometry<CELL>& g, long panel, Step step, PanelWeights weights,
                         StateOf state_of) {
    const long unit = panel * PANEL_UNITS<CELL>;
    Vector sums[ROWS][4] = {};
    if constexpr (CELL == GRU)
        for (int i = 0; i < ROWS; i++) sums[i][3] = load(weights.own_bias);
    // The hidden product of the GRU's n gate has a sum of its own, the fourth.
    multiply<VECTORS<CELL> - 1, VECTORS<CELL>>(sums, step.rows, g.row, weights.packed,
                                               g.input_depth);
    multiply<3, VECTORS<CELL>>(sums, step.rows + g.hidden_place, g.row,
                               weights.packed + g.input_depth * COLUMNS<CELL>, g.hidden);
    for (int i = 0; i < ROWS; i++) {
        float* state = state_of(i) + unit;
        [[maybe_unused]] float* gates = step.gates;
        if constexpr (TRAINING && CELL != RNN) gates += i * g.gate_row + 4 * unit;
        if constexpr (CELL == RNN) {
            for (int v = 0; v < 4; v++) store(state + v * LANES, tanh(sums[i][v]));
        } else if constexpr (CELL == GRU) {
            const Vector r = sigmoid(sums[i][0]), z = sigmoid(sums[i][1]), q = sums[i][3];
            const Vector n = tanh(sums[i][2] + r * q);
            const Vector before = load(step.rows + i * g.row + g.hidden_place + unit);
            store(state, n + z * (before - n));
            if constexpr (TRAINING) {
                store(gates, r), store(gates + LANES, z);
                store(gates + 2 * LANES, n), store(gates + 3 * LANES, q);
            }
        } else {
            const Vector in = sigmoid(sums[i][0]), forget = sigmoid(sums[i][1]);
            const Vector candidate = tanh(sums[i][2]), out = sigmoid(sums[i][3]);
            const Vector cell =
                forget * load(step.cells_before + i * g.cell_row + unit) + in * candidate;
            store(step.cells + i * g.cell_row + unit, cell);
            store(state, out * tanh(cell));
            if constexpr (TRAINING) {
                store(gates, in), store(gates + LANES, forget);
                store(gates + 2 * LANES, candidate), store(gates + 3 * LANES, out);
            }
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
