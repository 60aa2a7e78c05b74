// The CUDA kernels on a CPU: the threads of a block are coroutines, which take turns at barriers and
// exchanges. A warp runs from one barrier to the next before another begins, in ascending or
// descending order, so that a barrier that is missing shows in the results.

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
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

constexpr int WARP = 32, MOST_THREADS = 256, STACK = 1 << 16;
enum State { NEW, AT_EXCHANGE, AT_BARRIER, FINISHED };

struct {
    int x;
} threadIdx, blockIdx;
float4 shared[98304 / sizeof(float4)];  // no more than the smallest of the GPUs has

static State states_of[MOST_THREADS];
static char stacks[MOST_THREADS][STACK];
static jmp_buf scheduler, threads[MOST_THREADS];
static float exchanged[2][MOST_THREADS];
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
    float* const slots = exchanged[exchanges[thread]++ % 2];
    slots[thread] = number;
    wait(AT_EXCHANGE);
    return slots[thread ^ bit];
}

using std::max;
using std::min;

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
        launch(blocks, UNITS * ARTICLES, descending);
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
        launch(blocks, UNITS * ARTICLES, descending);
    });
}
