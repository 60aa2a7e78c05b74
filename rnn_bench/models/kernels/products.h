// Products of matrices in tiles of sums that stay in registers.
#pragma once

#include <type_traits>

#include "vectors.h"

// sums[row][vector] += sum over k of left[row * stride + k] * right[k][vector], `right` packed.
// The last vector is added to sums[row][LAST].
template <int LAST, int VECTORS, int ROWS, int SUMS>
INLINE void multiply(Vector (&sums)[ROWS][SUMS], const float* left, long stride,
                     const float* right, long depth) {
#pragma GCC unroll 4
    for (long k = 0; k < depth; k++, right += VECTORS * LANES) {
        Vector weights[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) weights[v] = load(right + v * LANES);
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; i++) {
            Vector value = broadcast(left[i * stride + k]);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++)
                sums[i][v == VECTORS - 1 ? LAST : v] += value * weights[v];
        }
    }
}

// The same with `left` transposed: its element (row, k) is left[k * stride + row].
template <int VECTORS, int ROWS>
INLINE void multiply_transposed(Vector (&sums)[ROWS][VECTORS], const float* left, long stride,
                                const float* right, long depth) {
#pragma GCC unroll 4
    for (long k = 0; k < depth; k++, left += stride, right += VECTORS * LANES) {
        Vector weights[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) weights[v] = load(right + v * LANES);
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; i++) {
            Vector value = broadcast(left[i]);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) sums[i][v] += value * weights[v];
        }
    }
}

template <int VALUE> using Constant = std::integral_constant<int, VALUE>;

// Cut rows into tiles of nearly equal height, at most TILE_ROWS: work(height, first row).
template <class Work> INLINE void for_each_tile(long rows, Work work) {
    const long tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (long tile = 0; tile < tiles; tile++) {
        const long first = rows * tile / tiles, height = rows * (tile + 1) / tiles - first;
        if (height == 1) work(Constant<1>{}, first);
        if (height == 2) work(Constant<2>{}, first);
        if (height == 3) work(Constant<3>{}, first);
        if constexpr (TILE_ROWS > 3) {
            if (height == 4) work(Constant<4>{}, first);
            if (height == 5) work(Constant<5>{}, first);
            if (height == 6) work(Constant<6>{}, first);
        }
    }
}

// Gradients of gates, panel by panel: row r of panel p begins at panels + p * panel + r * columns.
struct GateGradients {
    float* panels;
    long panel;
};

// out[r] = (adds ? out[r] : 0) + gates[r] times weights, for VECTORS vectors of columns of `out`.
template <int VECTORS, int COLUMNS>
static void multiply_gates(GateGradients gates, long panels, long rows, const float* weights,
                           float* out, long stride, bool adds) {
    for_each_tile(rows, [&](auto height, long first) {
        constexpr int ROWS = decltype(height)::value;
        float* tile = out + first * stride;
        Vector sums[ROWS][VECTORS] = {};
        if (adds)
            for (int i = 0; i < ROWS; i++)
                for (int v = 0; v < VECTORS; v++) sums[i][v] = load(tile + i * stride + v * LANES);
        for (long panel = 0; panel < panels; panel++)
            multiply<VECTORS - 1, VECTORS>(
                sums, gates.panels + panel * gates.panel + first * COLUMNS, COLUMNS,
                weights + panel * COLUMNS * VECTORS * LANES, COLUMNS);
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++) store(tile + i * stride + v * LANES, sums[i][v]);
    });
}

// The same for any number of vectors; `weights` lie in blocks of four vectors of columns.
template <int COLUMNS>
static void multiply_gates(GateGradients gates, long panels, long rows, const float* weights,
                           long vectors, float* out, long stride, bool adds) {
    for (; vectors > 0; vectors -= 4, out += 4 * LANES) {
        auto block = vectors >= 4   ? multiply_gates<4, COLUMNS>
                     : vectors == 3 ? multiply_gates<3, COLUMNS>
                     : vectors == 2 ? multiply_gates<2, COLUMNS>
                                    : multiply_gates<1, COLUMNS>;
        block(gates, panels, rows, weights, out, stride, adds);
        weights += panels * COLUMNS * 4 * LANES;
    }
}

// out[m] += sum over rows of left[row][m] * right[row], for `depth` columns m of `left`: what the
// rows of inputs and states, times a panel of gate gradients, add to the gradient of its weights.
template <int VECTORS>
static void add_weight_gradient(const float* left, long stride, long depth, const float* right,
                                long rows, float* out) {
    for_each_tile(depth, [&](auto height, long first) {
        constexpr int ROWS = decltype(height)::value;
        float* tile = out + first * VECTORS * LANES;
        Vector sums[ROWS][VECTORS];
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++) sums[i][v] = load(tile + (i * VECTORS + v) * LANES);
        multiply_transposed(sums, left + first, stride, right, rows);
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++) store(tile + (i * VECTORS + v) * LANES, sums[i][v]);
    });
}
