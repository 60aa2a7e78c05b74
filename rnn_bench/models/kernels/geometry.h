// Where the numbers of a layer lie. Sizes and places count floats.
#pragma once

#include <algorithm>

#include "products.h"

enum Cell : int64_t { RNN, GRU, LSTM };

// The columns of a product are the units' gates, cut into panels of a few vectors that a tile of
// sums can hold. A panel has every gate of LANES units, so that a tile's sums are all that these
// units' states need; the RNN, with one gate, has 4 x LANES units instead.
template <Cell CELL> constexpr int VECTORS = CELL == GRU ? 3 : 4;
template <Cell CELL> constexpr int COLUMNS = VECTORS<CELL> * LANES;
// A panel's columns are multiplied in groups, each a matrix of its own, that stay in the nearest
// cache while all articles pass.
template <Cell CELL> constexpr int GROUP = group_size(VECTORS<CELL>) * LANES;
template <Cell CELL> constexpr int PANEL_UNITS = CELL == RNN ? 4 * LANES : LANES;
template <Cell CELL> constexpr int GATES = CELL == RNN ? 1 : VECTORS<CELL>;

constexpr long rounded_up(long value, long unit) { return (value + unit - 1) / unit * unit; }

// A row is what a step reads of an article:
//
//     |<-- inputs -->| 1 |<-- inputs padded -->|<-- hidden -->| padding |
//     | x_t          | 1 |                     | h_t-1        |         |
//     0              inputs                    hidden_place              row
//
// The 1 multiplies the biases, which thus are one more row of the weights and get their gradient
// by the same product. The rows of a shard's articles lie step by step, longest article first:
//
//     step 0: article 0, 1, 2, 3    step 1: article 0, 1, 2    step 2: article 0 ...
//
// so that the rows of any range of steps are one matrix.
template <Cell CELL> struct Geometry {
    long inputs, hidden;
    long input_depth;      // inputs and the 1
    long hidden_place;     // of h_t-1 in a row
    long panels, units;    // the hidden units fill `panels` panels, `units` with the padding
    long row;              // from one row to the next
    long gate_row;         // gates that are kept of a row: none of the RNN's
    long cell_row;         // cells of a row: the LSTM's only
    long hidden_vectors, input_vectors;

    Geometry(long inputs, long hidden)
        : inputs(inputs),
          hidden(hidden),
          input_depth(inputs + 1),
          hidden_place(rounded_up(inputs + 1, LANES)),
          panels((hidden + PANEL_UNITS<CELL> - 1) / PANEL_UNITS<CELL>),
          units(panels * PANEL_UNITS<CELL>),
          row(rounded_up(hidden_place + units, 16)),
          gate_row(CELL == RNN ? 0 : 4 * units),
          cell_row(CELL == LSTM ? units : 0),
          hidden_vectors((hidden + LANES - 1) / LANES),
          input_vectors((inputs + LANES - 1) / LANES) {
        // An odd number of cache lines: rows an even number apart would share few cache sets.
        if (row / 16 % 2 == 0) row += 16;
    }

    long columns() const { return panels * COLUMNS<CELL>; }  // of all panels
    long forward_panel() const { return (input_depth + hidden) * COLUMNS<CELL>; }
    long forward_weights() const { return panels * forward_panel(); }

    // Where a column of a panel's matrix of `depth` rows begins; GROUP is the way to its next row.
    static long place_of(int column, long depth) {
        const int in_group = column % GROUP<CELL>;
        return (column - in_group) * depth + in_group;
    }

    // The unit and the gate, in torch's order, of a column; the unit may be padding.
    static long unit_of(long panel, int column) {
        return panel * PANEL_UNITS<CELL> + column % PANEL_UNITS<CELL>;
    }
    static int gate_of(int column) { return CELL == RNN ? 0 : column / LANES; }
};
