// What is read of an article's states: each of them, the last, or their mean or maximum, which are
// computed as the steps go.
#pragma once

#include "vectors.h"

enum Readout : int64_t { EVERY_STEP, LAST, MEAN, MAX };

INLINE void add(float* sum, const float* part, long units) {
    for (long k = 0; k < units; k += LANES) store(sum + k, load(sum + k) + load(part + k));
}

// The same, and `excess` keeps what rounding made the sum too large by (Kahan 1965): the error does
// not grow with the steps.
INLINE void add_exactly(float* sum, float* excess, const float* part, long units) {
    for (long k = 0; k < units; k += LANES) {
        const Vector before = load(sum + k), more = load(part + k) - load(excess + k);
        const Vector after = before + more;
        store(sum + k, after);
        store(excess + k, (after - before) - more);
    }
}

INLINE void divide(float* values, float by, long units) {
    for (long k = 0; k < units; k += LANES) store(values + k, load(values + k) / by);
}

// Raise the maximum to a state that is larger or NaN, and count the steps that have the maximum.
INLINE void raise(float* max, float* steps_with_max, const float* state, long units) {
    for (long k = 0; k < units; k += LANES) {
        const Vector x = load(state + k), before = load(max + k), steps = load(steps_with_max + k);
        const auto higher = (x > before) | (x != x);
        store(max + k, higher ? x : before);
        store(steps_with_max + k, higher ? broadcast(1) : x == before ? steps + 1.f : steps);
    }
}

// The steps that have the maximum share its gradient, as in torch.amax. That of NaN is NaN.
INLINE void share(float* d_max, const float* max, const float* steps_with_max, long units) {
    for (long k = 0; k < units; k += LANES) {
        const Vector highest = load(max + k);
        store(d_max + k, load(d_max + k) / load(steps_with_max + k) + (highest - highest));
    }
}

INLINE void add_where_maximal(float* d_state, const float* part, const float* state,
                              const float* max, long units) {
    for (long k = 0; k < units; k += LANES) {
        const Vector has_it = load(state + k) == load(max + k) ? broadcast(1) : Vector{};
        store(d_state + k, load(d_state + k) + load(part + k) * has_it);
    }
}
