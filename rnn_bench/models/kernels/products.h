// Products of matrices in tiles of sums that stay in registers.
#pragma once

#include <algorithm>
#include <type_traits>

#include "vectors.h"

// sums[row][vector] += sum over k of left(row, k) * right[k][vector], where left(row, k) lies at
// left[row * row_stride + k * depth_stride], and right[k] at right[k * STRIDE].
template <int STRIDE, int ROWS, int VECTORS>
INLINE void multiply(Vector (&sums)[ROWS][VECTORS], const float* left, long row_stride,
                     long depth_stride, const float* right, long depth) {
#pragma GCC unroll 4
    for (long k = 0; k < depth; k++, left += depth_stride, right += STRIDE) {
        Vector weights[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) weights[v] = load(right + v * LANES);
#pragma GCC unroll 6
        for (int i = 0; i < ROWS; i++) {
            Vector value = broadcast(left[i * row_stride]);
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++) sums[i][v] += value * weights[v];
        }
    }
}

template <int VALUE> using Constant = std::integral_constant<int, VALUE>;

// The vectors of a tile when a panel has `vectors` of them, cut into equal groups. Three stay one
// group, whose tiles have fewer rows with 16 registers.
constexpr int group_size(int vectors) { return vectors == 3 ? 3 : TILE_VECTORS; }

// Cut rows into tiles of nearly equal height for VECTORS vectors: work(height, first row).
template <int VECTORS, class Work> INLINE void for_each_tile(long rows, Work work) {
    constexpr int TILE_ROWS = std::min(TILE_SUMS / VECTORS, 6);
    const long tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (long tile = 0; tile < tiles; tile++) {
        const long first = rows * tile / tiles, height = rows * (tile + 1) / tiles - first;
        if (height == 1) work(Constant<1>{}, first);
        if (height == 2) work(Constant<2>{}, first);
        if (height == 3) work(Constant<3>{}, first);
        if (height == 4) work(Constant<4>{}, first);
        if constexpr (TILE_ROWS > 4) {
            if (height == 5) work(Constant<5>{}, first);
            if (height == 6) work(Constant<6>{}, first);
        }
    }
}

template <int ROWS, int VECTORS>
INLINE void load_tile(Vector (&sums)[ROWS][VECTORS], const float* from, long stride) {
    for (int i = 0; i < ROWS; i++)
        for (int v = 0; v < VECTORS; v++) sums[i][v] = load(from + i * stride + v * LANES);
}

template <int ROWS, int VECTORS>
INLINE void store_tile(float* to, long stride, const Vector (&sums)[ROWS][VECTORS]) {
    for (int i = 0; i < ROWS; i++)
        for (int v = 0; v < VECTORS; v++) store(to + i * stride + v * LANES, sums[i][v]);
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
    for_each_tile<VECTORS>(rows, [&](auto height, long first) {
        float* tile = out + first * stride;
        Vector sums[decltype(height)::value][VECTORS] = {};
        if (adds) load_tile(sums, tile, stride);
        for (long panel = 0; panel < panels; panel++)
            multiply<VECTORS * LANES>(
                sums, gates.panels + panel * gates.panel + first * COLUMNS, COLUMNS, 1,
                weights + panel * COLUMNS * VECTORS * LANES, COLUMNS);
        store_tile(tile, stride, sums);
    });
}

// The same for any number of vectors; `weights` lie in blocks of TILE_VECTORS vectors of columns.
template <int COLUMNS>
static void multiply_gates(GateGradients gates, long panels, long rows, const float* weights,
                           long vectors, float* out, long stride, bool adds) {
    for (; vectors > 0; vectors -= TILE_VECTORS, out += TILE_VECTORS * LANES) {
        auto block = multiply_gates<TILE_VECTORS, COLUMNS>;
        if (vectors == 1) block = multiply_gates<1, COLUMNS>;
        if constexpr (TILE_VECTORS == 4) {
            if (vectors == 2) block = multiply_gates<2, COLUMNS>;
            if (vectors == 3) block = multiply_gates<3, COLUMNS>;
        }
        block(gates, panels, rows, weights, out, stride, adds);
        weights += panels * COLUMNS * TILE_VECTORS * LANES;
    }
}

// out[m] += sum over rows of left[row][m] * right[row], for `depth` columns m of `left`: what the
// rows of inputs and states, times a panel of gate gradients, add to the gradient of its weights.
// `out` lies in groups of columns, as the weights do.
template <int VECTORS>
static void add_weight_gradient(const float* left, long stride, long depth, const float* right,
                                long rows, float* out) {
    constexpr int COUNT = group_size(VECTORS);
    for (int from = 0; from < VECTORS; from += COUNT) {
        float* group = out + from * LANES * depth;
        for_each_tile<COUNT>(depth, [&](auto height, long first) {
            float* tile = group + first * COUNT * LANES;
            Vector sums[decltype(height)::value][COUNT];
            load_tile(sums, tile, COUNT * LANES);
            multiply<VECTORS * LANES>(sums, left + first, 1, stride, right + from * LANES, rows);
            store_tile(tile, COUNT * LANES, sums);
        });
    }
}
