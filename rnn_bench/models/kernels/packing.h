// Weights in the order in which the products read them, and their gradients back in torch's.
//
// torch holds, gate after gate (LSTM: i f g o, GRU: r z n), input weights [gates * hidden][inputs],
// hidden weights [gates * hidden][hidden] and two biases [gates * hidden].
#pragma once

#include "geometry.h"

struct Weights {
    const float *input, *hidden, *input_bias, *hidden_bias;
};

struct WeightGradients {
    float *input, *hidden, *input_bias, *hidden_bias;
};

// The n gate of the GRU multiplies its hidden product by r, bias included, so that this bias cannot
// be added to the input's.
template <Cell CELL> constexpr bool has_own_hidden_bias(int gate) {
    return CELL == GRU && gate == 2;
}

// packed: a panel is [inputs, the biases, hidden][columns]. own_bias: [units], of the GRU.
template <Cell CELL>
static void pack_forward(const Geometry<CELL>& g, Weights from, float* packed, float* own_bias) {
    memset(packed, 0, sizeof(float) * g.forward_weights());
    memset(own_bias, 0, sizeof(float) * g.units);
    for (long panel = 0; panel < g.panels; panel++)
        for (int column = 0; column < COLUMNS<CELL>; column++) {
            const long unit = g.unit_of(panel, column), gate = g.gate_of(column);
            if (unit >= g.hidden) continue;
            const long row = gate * g.hidden + unit;
            float* panel_input = packed + panel * g.forward_panel();
            float* panel_hidden = panel_input + g.input_depth * COLUMNS<CELL>;
            const long input = g.place_of(column, g.input_depth);
            const long hidden = g.place_of(column, g.hidden);
            for (long k = 0; k < g.inputs; k++)
                panel_input[input + k * GROUP<CELL>] = from.input[row * g.inputs + k];
            const bool apart = has_own_hidden_bias<CELL>(gate);
            panel_input[input + g.inputs * GROUP<CELL>] =
                from.input_bias[row] + (apart ? 0 : from.hidden_bias[row]);
            if (apart) own_bias[unit] = from.hidden_bias[row];
            for (long k = 0; k < g.hidden; k++)
                panel_hidden[hidden + k * GROUP<CELL>] = from.hidden[row * g.hidden + k];
        }
}

// matrix [gates * hidden][width] to blocks of TILE_VECTORS vectors of its columns: a block is
// [columns of all panels][its vectors].
template <Cell CELL>
static void pack_backward(const Geometry<CELL>& g, const float* matrix, long width, float* packed) {
    const long vectors = (width + LANES - 1) / LANES;
    memset(packed, 0, sizeof(float) * g.columns() * vectors * LANES);
    for (long panel = 0; panel < g.panels; panel++)
        for (int column = 0; column < COLUMNS<CELL>; column++) {
            const long unit = g.unit_of(panel, column), gate = g.gate_of(column);
            if (unit >= g.hidden) continue;
            const float* from = matrix + (gate * g.hidden + unit) * width;
            for (long vector = 0; vector < vectors; vector += TILE_VECTORS) {
                const long block = std::min<long>(vectors - vector, TILE_VECTORS);
                const long first = vector * LANES;
                const long count = std::min<long>(width - first, TILE_VECTORS * LANES);
                float* to = packed + vector * LANES * g.columns() +
                            (panel * COLUMNS<CELL> + column) * block * LANES;
                memcpy(to, from + first, sizeof(float) * count);
            }
        }
}

// The sum over shards, always in the same order, so that the same threads give the same bits.
// packed: as pack_forward packs, a shard after another; own_bias: [shards][units].
template <Cell CELL>
static void unpack_gradients(const Geometry<CELL>& g, long shards, float* packed, float* own_bias,
                             WeightGradients to) {
    const long size = g.forward_weights();
    for (long shard = 1; shard < shards; shard++) {
        for (long i = 0; i < size; i++) packed[i] += packed[shard * size + i];
        for (long i = 0; i < g.units; i++) own_bias[i] += own_bias[shard * g.units + i];
    }
    for (long panel = 0; panel < g.panels; panel++)
        for (int column = 0; column < COLUMNS<CELL>; column++) {
            const long unit = g.unit_of(panel, column), gate = g.gate_of(column);
            if (unit >= g.hidden) continue;
            const long row = gate * g.hidden + unit;
            const float* panel_input = packed + panel * g.forward_panel();
            const float* panel_hidden = panel_input + g.input_depth * COLUMNS<CELL>;
            const long input = g.place_of(column, g.input_depth);
            const long hidden = g.place_of(column, g.hidden);
            for (long k = 0; k < g.inputs; k++)
                to.input[row * g.inputs + k] = panel_input[input + k * GROUP<CELL>];
            const float bias = panel_input[input + g.inputs * GROUP<CELL>];
            to.input_bias[row] = bias;
            to.hidden_bias[row] = has_own_hidden_bias<CELL>(gate) ? own_bias[unit] : bias;
            for (long k = 0; k < g.hidden; k++)
                to.hidden[row * g.hidden + k] = panel_hidden[hidden + k * GROUP<CELL>];
        }
}
