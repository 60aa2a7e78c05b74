// The CUDA kernels on a CPU: the threads of a block are coroutines, which take turns at barriers
// and exchanges. A warp runs from one barrier to the next before another begins, in ascending or
// descending order, so that a barrier that is missing shows in the results.
//
// -DPRODUCTS='"float32.h"' chooses the products.

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <vector>

#define __device__
#define __host__
#define __global__
#define __shared__
#define __restrict__

struct alignas(16) float4 {
    float x, y, z, w;
};

struct alignas(8) uint2 {
    unsigned x, y;
};

constexpr int WARP = 32, MOST_THREADS = 256, STACK = 1 << 16;
enum State { NEW, AT_EXCHANGE, AT_BARRIER, FINISHED };

struct {
    int x;
} threadIdx, blockIdx;
float4 shared[98304 / sizeof(float4)];  // no more than the smallest of the GPUs has

static State states_of[MOST_THREADS];
static char stacks[MOST_THREADS][STACK];
static jmp_buf scheduler, threads[MOST_THREADS];
static struct {
    float number;
    unsigned a[4], b[2];
} exchanged[2][MOST_THREADS];  // of an exchange, and of the one after it
static int exchanges[MOST_THREADS];
static std::function<void()> kernel;

static void run() {
    kernel();
    states_of[threadIdx.x] = FINISHED;
    _longjmp(scheduler, 1);
}

// Runs a thread until it waits, or ends. Contexts only begin one: between them, jumps are faster.
static void resume(int thread) {
    threadIdx.x = thread;
    if (_setjmp(scheduler)) return;
    if (states_of[thread] != NEW) _longjmp(threads[thread], 1);
    ucontext_t start;
    getcontext(&start);
    start.uc_stack.ss_sp = stacks[thread];
    start.uc_stack.ss_size = STACK;
    makecontext(&start, run, 0);
    setcontext(&start);
}

static void wait(State state) {
    const int thread = threadIdx.x;
    states_of[thread] = state;
    if (!_setjmp(threads[thread])) _longjmp(scheduler, 1);
}

void __syncthreads() { wait(AT_BARRIER); }

float __shfl_xor_sync(unsigned, float number, int bit) {
    const int thread = threadIdx.x;
    auto* const all = exchanged[exchanges[thread]++ % 2];
    all[thread].number = number;
    wait(AT_EXCHANGE);
    return all[thread ^ bit].number;
}

unsigned __float_as_uint(float number) { return std::bit_cast<unsigned>(number); }
float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }

// The nearest number that bfloat16 has; of two that are as near, the even one.
float nearest_bfloat16(float number) {
    if (std::isnan(number)) return __uint_as_float(0x7fff0000);
    const unsigned bits = __float_as_uint(number);
    return __uint_as_float((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
}

// The upper or lower half of a register, a number of bfloat16.
static float half_of(unsigned bits, bool upper) {
    return __uint_as_float(upper ? bits & 0xffff0000 : bits << 16);
}

// PTX's mma.m16n8k16 with the fragments of its documentation, .bf16 and .f32, and sums in order.
void multiply_add(float (&sums)[4], const unsigned (&a)[4], uint2 b) {
    const int thread = threadIdx.x, lane = thread % WARP;
    auto* const all = exchanged[exchanges[thread]++ % 2];
    std::copy_n(a, 4, all[thread].a);
    all[thread].b[0] = b.x;
    all[thread].b[1] = b.y;
    wait(AT_EXCHANGE);
    const auto* const warp = all + thread - lane;
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++) {
            const int in_group = k % 8 / 2;
            const unsigned of_a = warp[row % 8 * 4 + in_group].a[row / 8 + k / 8 * 2];
            const unsigned of_b = warp[column * 4 + in_group].b[k / 8];
            sums[i] += half_of(of_a, k % 2) * half_of(of_b, k % 2);
        }
    }
}

using std::max;
using std::min;

#include PRODUCTS
#include "recurrence.cu"

// Runs a warp to its next barrier, or its end.
static State run_warp(int first) {
    do {
        for (int thread = first; thread < first + WARP; thread++) {
            resume(thread);
            if (states_of[thread] != states_of[first]) {
                fprintf(stderr, "threads %d and %d of a warp part\n", first, thread);
                abort();
            }
        }
    } while (states_of[first] == AT_EXCHANGE);
    return states_of[first];
}

static void launch(int blocks, int count, bool descending) {
    for (int block = 0; block < blocks; block++) {
        blockIdx.x = descending ? blocks - 1 - block : block;
        const float nan = std::numeric_limits<float>::quiet_NaN();
        std::fill(std::begin(shared), std::end(shared), float4{nan, nan, nan, nan});
        std::fill_n(states_of, count, NEW);
        for (State reached = NEW; reached != FINISHED;) {
            for (int warp = 0; warp < count / WARP; warp++) {
                const int which = descending ? count / WARP - 1 - warp : warp;
                const State state = run_warp(which * WARP);
                if (warp && state != reached) {
                    fprintf(stderr, "warp %d parts from those before it\n", which);
                    abort();
                }
                reached = state;
            }
        }
    }
}

// Calls `run` with the cell and the units as constants.
template <Cell CELL, typename Run>
static void with_units(int units, Run run) {
    switch (units) {
        case 32: return run.template operator()<CELL, 32>();
        case 64: return run.template operator()<CELL, 64>();
        case 96: return run.template operator()<CELL, 96>();
        default: return run.template operator()<CELL, 128>();
    }
}

template <typename Run>
static void with_constants(int cell, int units, Run run) {
    switch (cell) {
        case RNN: return with_units<RNN>(units, run);
        case GRU: return with_units<GRU>(units, run);
        default: return with_units<LSTM>(units, run);
    }
}

extern "C" void recurrence_forward(
    int cell, int units, int blocks, int descending, const long long* lengths, int articles,
    int steps, int hidden, int reversed, const float* weights, const float* n_bias, float* gates,
    float* states, float* extra) {
    const Batch batch{lengths, articles, steps, hidden, reversed};
    with_constants(cell, units, [&]<Cell CELL, int UNITS>() {
        kernel = [&] { forward<CELL, UNITS>(batch, weights, n_bias, gates, states, extra); };
        launch(blocks, ForwardProduct<CELL, UNITS>::THREADS, descending);
    });
}

extern "C" void recurrence_backward(
    int cell, int units, int blocks, int descending, const long long* lengths, int articles,
    int steps, int hidden, int reversed, const float* weights, const float* gates,
    const float* states, const float* extra, const float* d_states, float* d_gates) {
    const Batch batch{lengths, articles, steps, hidden, reversed};
    with_constants(cell, units, [&]<Cell CELL, int UNITS>() {
        kernel = [&] {
            backward<CELL, UNITS>(batch, weights, gates, states, extra, d_states, d_gates);
        };
        launch(blocks, BackwardProduct<CELL, UNITS>::THREADS, descending);
    });
}
