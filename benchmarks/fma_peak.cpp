// The multiply-add peak of the cores in use: fma_peak THREADS SECONDS prints operations a second
// (a multiply-add is two), the sum over threads of each one's best millisecond or so.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int BYTES = 64;
#elif defined(__AVX__)
constexpr int BYTES = 32;
#else
constexpr int BYTES = 16;
#endif
#if defined(__x86_64__)
#define IN_REGISTER(value) asm volatile("" : "+v"(value))
#else
#define IN_REGISTER(value) asm volatile("" : "+w"(value))
#endif
typedef float Vector __attribute__((vector_size(BYTES)));
constexpr double OPERATIONS = 2 * BYTES / sizeof(float), SUMS = 12, ROUNDS = 500000;

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Twelve independent sums: two units that take four cycles need eight, and 16 registers hold them.
static void work(Clock::time_point end, double *best) {
    const Vector zero = {}, factor = zero + 0.999f, term = zero + 0.001f;
    Vector a = term, b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
#define STEP(sum) sum = sum * factor + term; IN_REGISTER(sum)
    for (auto begin = Clock::now(); begin < end;) {
        for (long round = 0; round < ROUNDS; round++) {
            STEP(a); STEP(b); STEP(c); STEP(d); STEP(e); STEP(f);
            STEP(g); STEP(h); STEP(i); STEP(j); STEP(k); STEP(l);
        }
        const auto now = Clock::now();
        *best = std::max(*best, OPERATIONS * SUMS * ROUNDS / Seconds(now - begin).count());
        begin = now;
    }
}

int main(int count, char **words) {
    if (count != 3) return 2;
    const Seconds length(std::atof(words[2]));
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(length);
    std::vector<double> best(std::atoi(words[1]));
    std::vector<std::thread> threads;
    for (double &own : best) threads.emplace_back(work, end, &own);
    for (auto &thread : threads) thread.join();
    double sum = 0;
    for (double own : best) sum += own;
    std::printf("%.6g\n", sum);
}
