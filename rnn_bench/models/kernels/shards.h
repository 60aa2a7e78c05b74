// A shard: the articles of a batch that one thread computes from the first step to the last.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "geometry.h"
#include "readouts.h"
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

// A reversed shard reads each article from its last token to its first.
//
// At each step only the articles that are not finished have a row, the longest come first, so that
// these are the first `active(step)`.
struct Shard {
    std::vector<long> articles;   // their places in the batch
    std::vector<long> lengths;    // in tokens, falling
    std::vector<long> first_row;  // of each step, and behind the last
    bool reversed;

    long count() const { return articles.size(); }
    long steps() const { return lengths[0]; }
    long tokens() const { return first_row.back(); }
    long token(long row, long step) const {  // that the row's article reads at the step
        return reversed ? lengths[row] - 1 - step : step;
    }
    long active(long step) const {
        return step < steps() ? first_row[step + 1] - first_row[step] : 0;
    }
};

// The shards get every n-th article by falling length, and so nearly equal work.
static std::vector<Shard> split(const int64_t* lengths, long articles, long shards,
                                bool reversed) {
    std::vector<long> order(articles);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](long a, long b) { return lengths[a] > lengths[b]; });
    std::vector<Shard> all(shards);
    for (long i = 0; i < articles; i++) {
        all[i % shards].articles.push_back(order[i]);
        all[i % shards].lengths.push_back(lengths[order[i]]);
    }
    for (Shard& shard : all) {
        shard.reversed = reversed;
        long active = shard.count();
        shard.first_row.push_back(0);
        for (long step = 0; step < shard.steps(); step++) {
            while (shard.lengths[active - 1] <= step) active--;
            shard.first_row.push_back(shard.first_row.back() + active);
        }
    }
    return all;
}

// Cuts a buffer into parts that begin at cache lines; with no buffer it counts what they need.
class Cutter {
  public:
    explicit Cutter(float* buffer) : buffer(buffer) {}
    float* take(long size) {
        const long place = taken;
        taken += rounded_up(size, 16);
        return buffer ? buffer + place : nullptr;
    }
    long taken = 0;

  private:
    float* buffer;
};

// What the way forward leaves for the way back. Without TRAINING nothing is kept: two steps' rows
// take turns, and the cells of a step take the place of those before it.
template <Cell CELL> struct Kept {
    float* rows;   // [tokens][row], or [2][articles][row]
    float* gates;  // [tokens][gate_row]
    float* cells;  // [articles + tokens][cell_row], from the zeros before step 0 on
    float* last;   // [articles][units]: h of each article's last step
    float* sums;   // [articles][4 vectors]: of a panel's gates
    float* read;   // [articles][units]: the sum or the maximum of the states
    float* aside;  // [articles][units]: the sum's excess, or the steps that have the maximum

    Kept(const Geometry<CELL>& g, const Shard& shard, Readout readout, bool training,
         Cutter& cutter)
        : rows(cutter.take((training ? shard.tokens() : 2 * shard.count()) * g.row)),
          gates(cutter.take(training ? shard.tokens() * g.gate_row : 0)),
          cells(cutter.take((shard.count() + (training ? shard.tokens() : 0)) * g.cell_row)),
          last(cutter.take(shard.count() * g.units)),
          sums(cutter.take(shard.count() * 4 * LANES)),
          read(cutter.take(readout >= MEAN ? shard.count() * g.units : 0)),
          aside(cutter.take(readout >= MEAN ? shard.count() * g.units : 0)) {}
};

// While it lives, numbers below 1e-38 count as 0: the gradients of far steps get that small, and
// processors compute with such numbers many times slower.
class NoDenormals {
#if defined(__SSE__)
    const unsigned before = _mm_getcsr();

  public:
    NoDenormals() { _mm_setcsr(before | 0x8040); }  // flush to zero, denormals are zero
    ~NoDenormals() { _mm_setcsr(before); }
#else
  public:
    NoDenormals() {}
#endif
    NoDenormals(const NoDenormals&) = delete;
};

template <class Work> static void for_each_shard(const std::vector<Shard>& shards, Work work) {
    const long count = shards.size();
    if (count == 1) {  // one thread pays nothing for what several need
        NoDenormals mode;
        return work(shards[0], 0);
    }
#if defined(_OPENMP)
#pragma omp parallel for num_threads(count) schedule(static, 1)
#endif
    for (long i = 0; i < count; i++) {
        NoDenormals mode;
        work(shards[i], i);
    }
}
