// Every cell with odd sizes, under the sanitizers: memory is exactly as large as asked for, and what
// it holds before a call must not show in any result.

#include "recurrence.cpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>

using Numbers = std::vector<float>;

static void check(bool is_true, const char* what, const Call& call) {
    if (is_true) return;
    fprintf(stderr,
            "%s: cell %d, readout %d, reversed %d, inputs %d, hidden %d, articles %d, steps %d, "
            "shards %d\n",
            what, (int)call.cell, (int)call.readout, (int)call.reversed, (int)call.inputs,
            (int)call.hidden, (int)call.articles, (int)call.steps, (int)call.shards);
    exit(1);
}

// The states and gradients of a call, in memory that is full of `before`.
static Numbers results(Call call, bool training, float before) {
    std::mt19937 random(0);
    std::uniform_real_distribution<float> uniform(-1, 1);
    auto some = [&](long size) {
        Numbers numbers(size);
        for (float& number : numbers) number = uniform(random);
        return numbers;
    };
    const bool all_states = call.readout == EVERY_STEP;
    const long gates = (call.cell == RNN ? 1 : call.cell == GRU ? 3 : 4) * call.hidden;
    const long steps = call.articles * call.steps;
    const Numbers w = some(gates * call.inputs), u = some(gates * call.hidden), b = some(gates),
                  c = some(gates);
    Numbers input = some(steps * call.inputs);
    std::vector<int64_t> lengths(call.articles);
    for (int64_t& length : lengths) length = 1 + random() % call.steps;
    Numbers states(all_states ? steps * call.hidden : call.articles * call.hidden, before);

    auto sequence = [&](Numbers& numbers, long width) {
        return Sequence{numbers.data(), call.steps * width, width};
    };
    call.training = training;
    call.lengths = lengths.data();
    call.weights = {w.data(), u.data(), b.data(), c.data()};
    const Sizes sizes = recurrence_sizes(&call);
    Numbers kept(sizes.kept, before), scratch(sizes.forward_scratch, before);
    call.kept = kept.data(), call.scratch = scratch.data();
    call.input = sequence(input, call.inputs);
    call.states = all_states ? sequence(states, call.hidden) : Sequence{};
    call.read = all_states ? nullptr : states.data();
    recurrence_forward(&call);
    Numbers all = states;
    if (!training) return all;

    Numbers d_states = some(states.size()), d_input(input.size(), before);
    Numbers d_w(w.size(), before), d_u(u.size(), before), d_b(gates, before), d_c(gates, before);
    scratch.assign(sizes.backward_scratch, before);
    call.scratch = scratch.data();
    call.d_weights = {d_w.data(), d_u.data(), d_b.data(), d_c.data()};
    call.input = sequence(d_input, call.inputs);
    if (all_states) call.states = sequence(d_states, call.hidden);
    else call.read = d_states.data();
    recurrence_backward(&call);
    for (const Numbers& part : {d_input, d_w, d_u, d_b, d_c})
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

int main() {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const int sizes[][4] = {  // inputs, hidden, articles, steps
        {1, 1, 1, 1}, {3, 7, 5, 9}, {100, 50, 7, 3}, {17, 129, 33, 6}, {15, 64, 2, 80}};
    for (Cell cell : {RNN, GRU, LSTM})
        for (auto size : sizes)
            for (int shards : {1, 3})
                for (Readout readout : {EVERY_STEP, LAST, MEAN, MAX}) {
                    Call call{};
                    call.cell = cell, call.inputs = size[0], call.hidden = size[1];
                    call.articles = size[2], call.steps = size[3];
                    call.shards = std::min(shards, size[2]);
                    call.readout = readout, call.reversed = shards == 1;
                    const Numbers clean = results(call, true, 0);
                    const Numbers dirty = results(call, true, nan);
                    for (float number : clean) check(std::isfinite(number), "not finite", call);
                    check(clean == dirty, "depends on what memory held", call);
                    const Numbers untrained = results(call, false, nan);
                    check(std::equal(untrained.begin(), untrained.end(), clean.begin()),
                          "other states without training", call);
                }
    puts("sound");
}
