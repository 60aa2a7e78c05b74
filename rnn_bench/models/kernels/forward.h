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
    Sequence input;   // [inputs]
    Sequence states;  // [hidden]: h of every step, if they are wanted
    float* last;      // [articles][hidden]: h of each article's last step, if it is wanted
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

    const float* cells_before = kept.cells;
    for (long t = 0; t < shard.steps(); t++) {
        const long active = shard.active(t), going_on = shard.active(t + 1);
        float* rows = kept.rows + (TRAINING ? shard.first_row[t] * g.row : t % 2 * one_step);
        float* next = TRAINING ? rows + active * g.row : kept.rows + (t + 1) % 2 * one_step;
        float* gates = kept.gates + (TRAINING ? shard.first_row[t] * g.gate_row : 0);
        float* cells = kept.cells + (TRAINING ? (count + shard.first_row[t]) * g.cell_row : 0);

        for (long r = 0; r < active; r++) {
            memcpy(rows + r * g.row, work.input.at(shard.articles[r], t), sizeof(float) * g.inputs);
            rows[r * g.row + g.inputs] = 1;
        }
        auto state_of = [&](long r) {
            return r < going_on ? next + r * g.row + g.hidden_place : kept.last + r * g.units;
        };
        for (long panel = 0; panel < g.panels; panel++) {
            const PanelWeights weights{packed + panel * g.forward_panel(),
                                       own_bias + panel * PANEL_UNITS<CELL>};
            for_each_tile(active, [&](auto height, long first) {
                const Step step{rows + first * g.row, gates + (TRAINING ? first * g.gate_row : 0),
                                cells_before + first * g.cell_row, cells + first * g.cell_row};
                step_forward<CELL, TRAINING, decltype(height)::value>(
                    g, panel, step, weights, [&](int i) { return state_of(first + i); });
            });
        }
        if (work.states.data)
            for (long r = 0; r < active; r++)
                memcpy(work.states.at(shard.articles[r], t), state_of(r), sizeof(float) * g.hidden);
        cells_before = cells;
    }
    for (long r = 0; r < count; r++) {
        const long article = shard.articles[r];
        if (work.last)
            memcpy(work.last + article * g.hidden, kept.last + r * g.units,
                   sizeof(float) * g.hidden);
        if (work.states.data)
            work.states.clear_padding(article, shard.lengths[r], work.steps, g.hidden);
    }
}
