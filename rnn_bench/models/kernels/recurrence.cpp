// One layer of torch.nn.RNN (tanh), GRU or LSTM in one direction, from an initial state of 0: what
// Python calls. README.md beside this file says how it works.

#include "backward.h"

// Everything about a call, in the order of the Structure in library.py. Sizes count floats.
struct Call {
    Cell cell;
    int64_t inputs, hidden, articles, steps, shards, training;
    Readout readout;
    int64_t reversed;
    const int64_t* lengths;  // [articles], each from 1 to `steps`
    Weights weights;
    float* kept;     // what the way forward leaves for the way back
    float* scratch;  // what nobody reads after the call
    Sequence input, states;  // on the way back: gradients, as all below
    float* read;  // [articles][hidden]
    WeightGradients d_weights;

    std::vector<Shard> split() const { return ::split(lengths, articles, shards, reversed); }
};

struct Sizes {
    int64_t kept, forward_scratch, backward_scratch;
};

template <Cell CELL> static Sizes sizes(const Call& call) {
    const Geometry<CELL> g(call.inputs, call.hidden);
    Cutter kept(nullptr), forward(nullptr), backward(nullptr);
    forward.take(g.forward_weights()), forward.take(g.units);
    backward.take(call.shards * g.forward_weights()), backward.take(call.shards * g.units);
    backward.take(g.columns() * g.hidden_vectors * LANES);
    backward.take(g.columns() * g.input_vectors * LANES);
    for (const Shard& shard : call.split()) {
        Kept<CELL>(g, shard, call.readout, call.training, kept);
        BackwardBuffers<CELL>(g, shard, backward);
    }
    return {kept.taken, forward.taken, backward.taken};
}

template <Cell CELL> static void forward(const Call& call) {
    const Geometry<CELL> g(call.inputs, call.hidden);
    Cutter cutter(call.kept), scratch(call.scratch);
    const std::vector<Shard> shards = call.split();
    std::vector<Kept<CELL>> kept;
    for (const Shard& shard : shards)
        kept.emplace_back(g, shard, call.readout, call.training, cutter);
    float* packed = scratch.take(g.forward_weights());
    float* own_bias = scratch.take(g.units);
    pack_forward(g, call.weights, packed, own_bias);

    const ForwardWork work{call.readout, call.input, call.states, call.read, call.steps};
    for_each_shard(shards, [&](const Shard& shard, long i) {
        auto run = call.training ? forward<CELL, true> : forward<CELL, false>;
        run(g, shard, packed, own_bias, kept[i], work);
    });
}

template <Cell CELL> static void backward(const Call& call) {
    const Geometry<CELL> g(call.inputs, call.hidden);
    Cutter cutter(call.kept), scratch(call.scratch);
    float* packed = scratch.take(call.shards * g.forward_weights());
    float* own_bias = scratch.take(call.shards * g.units);
    float* hidden_weights = scratch.take(g.columns() * g.hidden_vectors * LANES);
    float* input_weights = scratch.take(g.columns() * g.input_vectors * LANES);
    const std::vector<Shard> shards = call.split();
    std::vector<Kept<CELL>> kept;
    std::vector<BackwardBuffers<CELL>> buffers;
    for (const Shard& shard : shards) {
        kept.emplace_back(g, shard, call.readout, true, cutter);
        buffers.emplace_back(g, shard, scratch);
    }
    pack_backward(g, call.weights.hidden, g.hidden, hidden_weights);
    if (call.input.data) pack_backward(g, call.weights.input, g.inputs, input_weights);

    const BackwardWork work{call.readout, call.states, call.read, call.input, call.steps};
    for_each_shard(shards, [&](const Shard& shard, long i) {
        const ShardGradient sum{packed + i * g.forward_weights(), own_bias + i * g.units};
        backward(g, shard, hidden_weights, input_weights, kept[i], buffers[i], sum, work);
    });
    unpack_gradients(g, call.shards, packed, own_bias, call.d_weights);
}

template <class Work> static auto for_cell(const Call* call, Work work) {
    if (call->cell == RNN) return work(std::integral_constant<Cell, RNN>{});
    if (call->cell == GRU) return work(std::integral_constant<Cell, GRU>{});
    return work(std::integral_constant<Cell, LSTM>{});
}

extern "C" {

Sizes recurrence_sizes(const Call* call) {
    return for_cell(call, [&](auto cell) { return sizes<cell>(*call); });
}

// Reads input and weights; writes `states` or `read` and, if training, `kept`.
void recurrence_forward(const Call* call) {
    for_cell(call, [&](auto cell) { forward<cell>(*call); });
}

// Reads kept, weights and the gradients `states` or `read`; writes the gradients `input`, if it is
// wanted, and `d_weights`.
void recurrence_backward(const Call* call) {
    for_cell(call, [&](auto cell) { backward<cell>(*call); });
}
}
