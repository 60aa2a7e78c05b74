// Vectors of floats as wide as the processor's registers, and the two functions that gates need.
#pragma once

#include <cstdint>
#include <cstring>

// A tile of sums, a vector of each of its columns' weights and an input fit the registers: 32 with
// AVX-512, else 16.
#if defined(__AVX512F__)
constexpr int LANES = 16, TILE_SUMS = 24, TILE_VECTORS = 4;
#elif defined(__AVX__)
constexpr int LANES = 8, TILE_SUMS = 12, TILE_VECTORS = 2;
#else
constexpr int LANES = 4, TILE_SUMS = 12, TILE_VECTORS = 2;
#endif

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef uint32_t Bits __attribute__((vector_size(LANES * 4)));
typedef float Unaligned __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE Vector load(const float* from) { return *(const Unaligned*)from; }
INLINE void store(float* to, Vector value) { *(Unaligned*)to = value; }
INLINE Vector broadcast(float value) { return value - Vector{}; }

// The first `count` lanes, and 0 in the others, whatever they hold: a product with 0 would keep NaN.
INLINE Vector keep_lanes(Vector value, int count) {
    Bits lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
    return (Vector)((Bits)value & (Bits)(lane < (uint32_t)(count > 0 ? count : 0)));
}

// e^x - 1 with a small relative error near 0, where tanh needs it; NaN stays NaN.
//
// x = n ln 2 + r with |r| <= ln 2 / 2, and e^x - 1 = 2^n (e^r - 1) + (2^n - 1). The Taylor series of
// e^r - 1 up to r^7 errs by less than 2e-8 of it. Beyond 87 the result is as good as infinite.
INLINE Vector expm1(Vector x) {
    const Vector limit = broadcast(87.f);
    x = x > limit ? limit : x;
    x = x < -limit ? -limit : x;
    const float round_to_integer = 12582912.f;  // 1.5 x 2^23: the sum's last bits are the integer
    Vector shifted = x * 1.44269504f + round_to_integer;
    Vector n = shifted - round_to_integer;
    // ln 2 in two parts, the first of so few bits that n times it is exact.
    Vector r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Vector series = broadcast(1.f / 5040);
    series = series * r + 1.f / 720;
    series = series * r + 1.f / 120;
    series = series * r + 1.f / 24;
    series = series * r + 1.f / 6;
    series = series * r + 1.f / 2;
    series = series * r * r + r;
    Vector scale = (Vector)(((Bits)shifted << 23) + (127u << 23));
    return scale * series + (scale - 1.f);
}

INLINE Vector sigmoid(Vector x) { return 1.f / (2.f + expm1(-x)); }

INLINE Vector tanh(Vector x) {
    Vector e = expm1(2.f * x);
    return e / (e + 2.f);
}
