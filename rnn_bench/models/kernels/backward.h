// The way back through one layer.
#pragma once

#include "forward.h"

struct BackwardWork {
    Readout readout;
    Sequence d_states;    // gradients of every step's h, with EVERY_STEP
    const float* d_read;  // [articles][hidden]: of what was read, with the other readouts
    Sequence d_input;     // those of the inputs go here, if they are wanted
    long steps;           // of the padded batch
};

// Rows of gate gradients that are kept at a time: enough steps that the products over them pay, few
// enough to stay in the cache.
constexpr long CHUNK_ROWS = 128;

template <Cell CELL> struct BackwardBuffers {
    long chunk;  // rows
    GateGradients gates, hidden_gates;
    float *d_state, *d_cell;  // [articles][units], [articles][cell_row]
    float* d_input;           // [chunk][input vectors]
    float* d_read;            // [articles][units]: the part that a step which was read gets

    BackwardBuffers(const Geometry<CELL>& g, const Shard& shard, Cutter& cutter)
        : chunk(std::max(CHUNK_ROWS, shard.count())),
          gates{cutter.take(chunk * g.columns()), chunk * COLUMNS<CELL>},
          // Only the GRU's hidden products have gradients of their own.
          hidden_gates(CELL == GRU ? GateGradients{cutter.take(chunk * g.columns()), gates.panel}
                                   : gates),
          d_state(cutter.take(shard.count() * g.units)),
          d_cell(cutter.take(shard.count() * g.cell_row)),
          d_input(cutter.take(chunk * g.input_vectors * LANES)),
          d_read(cutter.take(shard.count() * g.units)) {}
};

// The shard's gradient of the weights is a sum in the order of pack_forward.
struct ShardGradient {
    float *packed, *own_bias;
};

// hidden_weights, input_weights: of pack_backward.
template <Cell CELL>
static void backward(const Geometry<CELL>& g, const Shard& shard, const float* hidden_weights,
                     const float* input_weights, Kept<CELL> kept, BackwardBuffers<CELL> to,
                     ShardGradient sum, const BackwardWork& work) {
    memset(sum.packed, 0, sizeof(float) * g.forward_weights());
    memset(sum.own_bias, 0, sizeof(float) * g.units);
    for (long r = 0; work.readout != EVERY_STEP && r < shard.count(); r++) {
        float* d_read = to.d_read + r * g.units;
        memset(d_read, 0, sizeof(float) * g.units);
        memcpy(d_read, work.d_read + shard.articles[r] * g.hidden, sizeof(float) * g.hidden);
        if (work.readout == MEAN) divide(d_read, shard.lengths[r], g.units);
        if (work.readout == MAX)
            share(d_read, kept.read + r * g.units, kept.aside + r * g.units, g.units);
    }

    // A step's gate gradients, and what they make of the gradient of the states before it.
    auto step_back = [&](long t, long place_in_chunk) {
        const long active = shard.active(t), going_on = shard.active(t + 1);
        const long row = shard.first_row[t];
        for (long r = going_on; r < active; r++) {  // articles that end here
            memset(to.d_state + r * g.units, 0, sizeof(float) * g.units);
            memset(to.d_cell + r * g.cell_row, 0, sizeof(float) * g.cell_row);
        }
        const float* cells_before =
            kept.cells + (t ? shard.count() + shard.first_row[t - 1] : 0) * g.cell_row;
        const float* cells = kept.cells + (shard.count() + row) * g.cell_row;
        for (long r = 0; r < active; r++) {
            const float* state_before = kept.rows + (row + r) * g.row + g.hidden_place;
            const float* state = r < going_on ? state_before + active * g.row
                                              : kept.last + r * g.units;
            float* d_state = to.d_state + r * g.units;
            const float* d_read = to.d_read + r * g.units;
            if (work.readout == EVERY_STEP) {
                const float* given = work.d_states.at(shard.articles[r], shard.token(r, t));
                for (long k = 0; k < g.hidden; k++) d_state[k] += given[k];
            }
            if (work.readout == LAST && r >= going_on) add(d_state, d_read, g.units);
            if (work.readout == MEAN) add(d_state, d_read, g.units);
            if (work.readout == MAX)
                add_where_maximal(d_state, d_read, state, kept.read + r * g.units, g.units);
            for (long panel = 0; panel < g.panels; panel++) {
                const long unit = panel * PANEL_UNITS<CELL>;
                const long at = panel * to.gates.panel + (place_in_chunk + r) * COLUMNS<CELL>;
                Known known{kept.gates, nullptr, nullptr, state_before + unit, state + unit};
                Backward out{d_state + unit, nullptr, to.gates.panels + at,
                             to.hidden_gates.panels + at, sum.own_bias + unit};
                if constexpr (CELL != RNN) known.gates += (row + r) * g.gate_row + 4 * unit;
                if constexpr (CELL == LSTM) {
                    known.cell_before = cells_before + r * g.cell_row + unit;
                    known.cell = cells + r * g.cell_row + unit;
                    out.d_cell = to.d_cell + r * g.cell_row + unit;
                }
                step_backward<CELL>(std::min<long>(g.hidden - unit, PANEL_UNITS<CELL>), known, out);
            }
        }
        if (t > 0) {
            GateGradients gates = to.hidden_gates;
            gates.panels += place_in_chunk * COLUMNS<CELL>;
            multiply_gates<COLUMNS<CELL>>(gates, g.panels, active, hidden_weights, g.hidden_vectors,
                                          to.d_state, g.units, CELL == GRU);
        }
    };

    // What the rows of a chunk of steps add to the gradient of the weights, one product for all.
    auto add_to_weights = [&](long first_row, long rows) {
        const float* left = kept.rows + first_row * g.row;
        for (long panel = 0; panel < g.panels; panel++) {
            float* out = sum.packed + panel * g.forward_panel();
            add_weight_gradient<VECTORS<CELL>>(left, g.row, g.input_depth,
                                               to.gates.panels + panel * to.gates.panel, rows, out);
            add_weight_gradient<VECTORS<CELL>>(
                left + g.hidden_place, g.row, g.hidden,
                to.hidden_gates.panels + panel * to.gates.panel, rows,
                out + g.input_depth * COLUMNS<CELL>);
        }
    };

    auto write_inputs = [&](long first_step, long end_step, long rows) {
        const long width = g.input_vectors * LANES;
        multiply_gates<COLUMNS<CELL>>(to.gates, g.panels, rows, input_weights, g.input_vectors,
                                      to.d_input, width, false);
        const float* from = to.d_input;
        for (long t = first_step; t < end_step; t++)
            for (long r = 0; r < shard.active(t); r++, from += width)
                memcpy(work.d_input.at(shard.articles[r], shard.token(r, t)), from,
                       sizeof(float) * g.inputs);
    };

    for (long end = shard.steps(); end > 0;) {
        long first = end - 1;
        while (first > 0 && shard.first_row[end] - shard.first_row[first - 1] <= to.chunk) first--;
        const long first_row = shard.first_row[first], rows = shard.first_row[end] - first_row;
        for (long t = end - 1; t >= first; t--) step_back(t, shard.first_row[t] - first_row);
        add_to_weights(first_row, rows);
        if (work.d_input.data) write_inputs(first, end, rows);
        end = first;
    }
    if (work.d_input.data)
        for (long r = 0; r < shard.count(); r++)
            work.d_input.clear_padding(shard.articles[r], shard.lengths[r], work.steps, g.inputs);
}
