// The way forward through one layer.
#pragma once

#include "cells.h"
#include "packing.h"
#include "shards.h"

// Numbers of articles and steps: those of an article and a step begin at
// data + article * article_stride + step * step_stride. Of no data nothing is read or written.
struct Sequence {
    float* data;
    int64_t article_stride, step_stride;
    float* at(long article, long step) const {
        return data + article * article_stride + step * step_stride;
    }
    // Steps from `length` on, which are padding, become 0.
    void clear_padding(long article, long length, long steps, long width) const {
        for (long step = length; step < steps; step++)
            memset(at(article, step), 0, sizeof(float) * width);
    }
};

struct ForwardWork {
    Readout readout;
    Sequence input;   // [inputs]
    Sequence states;  // [hidden]: h of every step, with EVERY_STEP
    float* read;      // [articles][hidden]: what is read, with the other readouts
    long steps;       // of the padded batch
};

// packed, own_bias: of pack_forward.
template <Cell CELL, bool TRAINING>
static void forward(const Geometry<CELL>& g, const Shard& shard, const float* packed,
                    const float* own_bias, Kept<CELL> kept, const ForwardWork& work) {
    const long count = shard.count(), one_step = count * g.row;
    for (long r = 0; r < count; r++)  // states before step 0
        memset(kept.rows + r * g.row + g.hidden_place, 0, sizeof(float) * g.units);
    memset(kept.cells, 0, sizeof(float) * count * g.cell_row);
    if (work.readout == MEAN) {
        memset(kept.read, 0, sizeof(float) * count * g.units);
        memset(kept.aside, 0, sizeof(float) * count * g.units);
    }
    if (work.readout == MAX) std::fill_n(kept.read, count * g.units, -2.f);  // no state is as low

    const float* cells_before = kept.cells;
    for (long t = 0; t < shard.steps(); t++) {
        const long active = shard.active(t), going_on = shard.active(t + 1);
        float* rows = kept.rows + (TRAINING ? shard.first_row[t] * g.row : t % 2 * one_step);
        float* next = TRAINING ? rows + active * g.row : kept.rows + (t + 1) % 2 * one_step;
        float* gates = kept.gates + (TRAINING ? shard.first_row[t] * g.gate_row : 0);
        float* cells = kept.cells + (TRAINING ? (count + shard.first_row[t]) * g.cell_row : 0);

        for (long r = 0; r < active; r++) {
            memcpy(rows + r * g.row, work.input.at(shard.articles[r], shard.token(r, t)),
                   sizeof(float) * g.inputs);
            rows[r * g.row + g.inputs] = 1;
        }
        auto state_of = [&](long r) {
            return r < going_on ? next + r * g.row + g.hidden_place : kept.last + r * g.units;
        };
        for (long panel = 0; panel < g.panels; panel++) {
            const long unit = panel * PANEL_UNITS<CELL>;
            add_up(g, rows, active, packed + panel * g.forward_panel(), own_bias + unit, kept.sums);
            for (long r = 0; r < active; r++) {
                Forward step{kept.sums + r * 4 * LANES, rows + r * g.row + g.hidden_place + unit,
                             nullptr, state_of(r) + unit, nullptr, nullptr};
                if constexpr (CELL == LSTM) {
                    step.cell_before = cells_before + r * g.cell_row + unit;
                    step.cell = cells + r * g.cell_row + unit;
                }
                if constexpr (TRAINING && CELL != RNN)
                    step.gates = gates + r * g.gate_row + 4 * unit;
                step_forward<CELL, TRAINING>(step);
            }
        }
        for (long r = 0; r < active; r++) {
            float *read = kept.read + r * g.units, *aside = kept.aside + r * g.units;
            if (work.readout == EVERY_STEP)
                memcpy(work.states.at(shard.articles[r], shard.token(r, t)), state_of(r),
                       sizeof(float) * g.hidden);
            if (work.readout == MEAN) add_exactly(read, aside, state_of(r), g.units);
            if (work.readout == MAX) raise(read, aside, state_of(r), g.units);
        }
        cells_before = cells;
    }
    for (long r = 0; r < count; r++) {
        const long article = shard.articles[r];
        if (work.readout == EVERY_STEP) {
            work.states.clear_padding(article, shard.lengths[r], work.steps, g.hidden);
            continue;
        }
        float* read = (work.readout == LAST ? kept.last : kept.read) + r * g.units;
        if (work.readout == MEAN) divide(read, shard.lengths[r], g.units);
        memcpy(work.read + article * g.hidden, read, sizeof(float) * g.hidden);
    }
}
