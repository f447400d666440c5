#include "eval/certificate_walk.h"

#include <algorithm>
#include <cmath>

#include "eval/certificate_bounds.h"

namespace trine::eval {
namespace {

/// Keeps the inputs of one matrix while a block runs.
class InputKeeper final : public runtime::InputObserver {
 public:
  InputKeeper(const std::string& name, std::vector<float>& kept) : name_(name), kept_(kept) {}

  void observe(std::span<const runtime::LinearCall> calls, const float* inputs,
               std::size_t num_tokens) override {
    if (calls.front().linear->name() != name_) return;
    kept_.assign(inputs, inputs + num_tokens * calls.front().linear->in_features());
  }

 private:
  const std::string& name_;
  std::vector<float>& kept_;
};

double distance_of(const float* left, const float* right, std::size_t count) {
  double squares = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double difference = double{left[i]} - right[i];
    squares += difference * difference;
  }
  return std::sqrt(squares);
}

}  // namespace

Result<CertifiedModel> CertifiedModel::load(const ModelPair& models,
                                            const BoundSettings& settings) {
  CertifiedModel loaded{.spec = models.spec};
  TRINE_ASSIGN_OR_RETURN(loaded.embed_tokens,
                         runtime::Linear::load(models.spec.embed_tokens, models.original));
  TRINE_ASSIGN_OR_RETURN(
      loaded.final_norm,
      BoundedNorm::load(models.spec.final_norm, models.spec.norm_eps, models.original));
  TRINE_ASSIGN_OR_RETURN(
      loaded.head, DecidingMatrix::load(models.spec.lm_head, loaded.final_norm, models.original,
                                        settings.threads));
  for (std::size_t index = 0; index < models.spec.layers.size(); ++index) {
    TRINE_ASSIGN_OR_RETURN(auto layer, LayerPair::load(models, index, settings));
    loaded.layers.push_back(std::move(layer));
  }
  return loaded;
}

CertificateWalk::CertificateWalk(const CertifiedModel& model, const kernels::KernelTable& table,
                                 const BoundSettings& settings, Certificate& certificate)
    : model_(model),
      compute_(table, settings.threads),
      rotary_(model.spec.rope),
      settings_(settings),
      certificate_(certificate),
      hidden_(model.spec.hidden_size) {}

void CertificateWalk::run(std::span<const std::span<const std::int32_t>> windows) {
  embed(windows);
  restart(kFull);
  for (std::size_t index = 0; index < model_.layers.size(); ++index) {
    restart(kLayer);
    attention_block(index);
    decide_routing(index);
    restart(kNext);
    expert_block(index);
  }
  head();
  certificate_.tokens += window_of_.size();
  count_agreement();
  certificate_.windows += windows.size();
  certificate_.windows_exceeding +=
      static_cast<std::uint64_t>(std::count(has_exceeded_.begin(), has_exceeded_.end(), true));
}

void CertificateWalk::embed(std::span<const std::span<const std::int32_t>> windows) {
  tokens_.assign(windows.begin(), windows.end());
  windows_.clear();
  window_of_.clear();
  stream_.clear();
  has_exceeded_.assign(windows.size(), false);
  std::vector<runtime::TokenPosition> positions;
  for (std::size_t window = 0; window < windows.size(); ++window) {
    windows_.push_back({.first = window_of_.size(), .count = windows[window].size()});
    for (std::size_t i = 0; i < windows[window].size(); ++i) {
      positions.push_back({i, windows[window].size()});
      window_of_.push_back(window);
      stream_.resize(stream_.size() + hidden_);
      model_.embed_tokens.read_row(compute_.kernels(),
                                   static_cast<std::size_t>(windows[window][i]),
                                   stream_.data() + stream_.size() - hidden_);
    }
  }
  for (float& value : stream_) value *= static_cast<float>(model_.spec.embedding_multiplier);
  same_top1_.assign(window_of_.size(), true);
  same_experts_.assign(window_of_.size(), true);
  rotary_.set_positions(positions);
}

void CertificateWalk::restart(TrackName track) {
  tracks_[track] = {stream_, Radii(window_of_.size())};
}

std::vector<float> CertificateWalk::attend(const LayerPair& layer, std::size_t side,
                                           const std::vector<float>& normed,
                                           std::vector<float>* attended) {
  // Each window starts from nothing, so one layer's keys and values are all a cache has to hold.
  std::vector<runtime::KvCache> caches(tokens_.size(), runtime::KvCache(model_.spec, 1));
  std::vector<runtime::SequenceStep> steps;
  for (std::size_t i = 0; i < tokens_.size(); ++i) steps.push_back({tokens_[i], &caches[i]});
  std::vector<float> unused;
  InputKeeper keeper(layer.o_proj.original.name(), attended != nullptr ? *attended : unused);
  compute_.set_input_observer(attended != nullptr ? &keeper : nullptr);
  auto outputs =
      layer.attention[side].apply(compute_, rotary_, steps, normed.data(), window_of_.size());
  compute_.set_input_observer(nullptr);
  return outputs;
}

void CertificateWalk::attention_block(std::size_t index) {
  const LayerPair& layer = model_.layers[index];
  const std::vector<float> inputs = normed(layer.input_norm, stream_);
  std::vector<float> attended, packed_attended;
  const std::vector<float> outputs = attend(layer, 0, inputs, &attended);
  const std::vector<float> local = attend(layer, 1, inputs, &packed_attended);
  std::vector<TrackName> tracks = {kLayer, kFull};
  if (index > 0) tracks.push_back(kNext);
  std::vector<Radii> moved;
  for (const TrackName track : tracks) {
    moved.push_back(normed_radii(layer.input_norm, track, true));
  }
  std::vector<Radii> changes =
      bound_attention(compute_, layer, model_.spec,
                      {inputs.data(), attended.data(), packed_attended.data(), windows_}, moved,
                      settings_, certificate_.rows);
  add_observed(local, outputs, changes);
  // Nothing is packed in front of the first layer: its attention is a local block.
  if (index == 0) changes[1] = changes[0];
  count_change(local, outputs, changes[0], certificate_.layers[index].attention);
  advance(kLayer, local, changes[0], outputs);
  for (std::size_t i = 1; i < tracks.size(); ++i) {
    const std::vector<float> packed =
        attend(layer, 1, normed(layer.input_norm, tracks_[tracks[i]].stream), nullptr);
    advance(tracks[i], packed, changes[i], outputs);
  }
  add(outputs, stream_);
  for (const TrackName track : tracks) observe_state(track);
}

void CertificateWalk::expert_block(std::size_t index) {
  const LayerPair& layer = model_.layers[index];
  const std::size_t tokens = window_of_.size();
  const std::vector<float> inputs = normed(layer.post_attention_norm, stream_);
  const auto apply = [&](std::size_t side, const std::vector<float>& values) {
    if (layer.dense[side]) return layer.dense[side]->apply(compute_, values.data(), tokens);
    std::vector<float> outputs;
    static_cast<void>(layer.experts[side]->apply(compute_, values.data(), tokens, outputs));
    return outputs;
  };
  const std::vector<float> outputs = apply(0, inputs);
  const std::vector<float> local = apply(1, inputs);  // kNext starts here
  const std::vector<float> full =
      apply(1, normed(layer.post_attention_norm, tracks_[kFull].stream));
  std::vector<Radii> changes = bound_experts(layer, inputs, std::array{kNext, kFull});
  add_observed(local, outputs, changes);
  LayerCertificate& counted = certificate_.layers[index];
  count_change(local, outputs, changes[0], counted.experts);
  advance(kNext, local, changes[0], outputs);
  advance(kFull, full, changes[1], outputs);
  add(outputs, stream_);
  for (const TrackName track : {kNext, kFull}) observe_state(track);
  count_change(tracks_[kFull].stream, stream_, tracks_[kFull].radii, counted.stream);
}

std::vector<float> CertificateWalk::normed(const BoundedNorm& norm,
                                           const std::vector<float>& stream) const {
  std::vector<float> outputs(stream.size());
  norm.norm().apply(stream.data(), window_of_.size(), outputs.data());
  return outputs;
}

Radii CertificateWalk::normed_radii(const BoundedNorm& norm, TrackName track,
                                    bool with_weights) const {
  Radii radii(window_of_.size());
  for (std::size_t token = 0; token < radii.size(); ++token) {
    const float* original = stream_.data() + token * hidden_;
    for (std::size_t kind = 0; kind < kBoundKinds; ++kind) {
      radii[token][kind] =
          norm.radius_before_weights(original, tracks_[track].radii[token][kind]) *
          (with_weights ? norm.largest_weight() : 1.0);
    }
    if (with_weights) continue;  // nothing carries the state bound on
    const float* packed = tracks_[track].stream.data() + token * hidden_;
    radii[token][kStateBound] =
        std::min(radii[token][kStateBound],
                 norm.distance_before_weights(packed, original) * settings_.scale);
  }
  return radii;
}

void CertificateWalk::add(const std::vector<float>& outputs, std::vector<float>& stream) const {
  const auto multiplier = static_cast<float>(model_.spec.residual_multiplier);
  for (std::size_t i = 0; i < stream.size(); ++i) stream[i] += multiplier * outputs[i];
}

void CertificateWalk::advance(TrackName track, const std::vector<float>& outputs,
                              const Radii& changes,
                              const std::vector<float>& original_outputs) {
  const double multiplier = std::abs(model_.spec.residual_multiplier);
  Track& moving = tracks_[track];
  for (std::size_t token = 0; token < moving.radii.size(); ++token) {
    const double length =
        norm_of({stream_.data() + token * hidden_, hidden_}) +
        multiplier * norm_of({original_outputs.data() + token * hidden_, hidden_});
    for (std::size_t kind = 0; kind < kCarriedKinds; ++kind) {
      double& radius = moving.radii[token][kind];
      radius += multiplier * changes[token][kind];
      // Each side rounds a product and a sum.
      radius += 4.0 * kRoundoff * (2.0 * length + radius);
    }
  }
  add(outputs, moving.stream);
}

void CertificateWalk::observe_state(TrackName track) {
  Track& moving = tracks_[track];
  for (std::size_t token = 0; token < moving.radii.size(); ++token) {
    moving.radii[token][kStateBound] =
        observed_change(moving.stream, stream_, token) * settings_.scale;
  }
}

double CertificateWalk::observed_change(const std::vector<float>& packed,
                                        const std::vector<float>& original,
                                        std::size_t token) const {
  return distance_of(packed.data() + token * hidden_, original.data() + token * hidden_,
                     hidden_);
}

void CertificateWalk::add_observed(const std::vector<float>& packed,
                                   const std::vector<float>& original,
                                   std::span<Radii> changes) const {
  for (std::size_t token = 0; token < window_of_.size(); ++token) {
    const double observed = observed_change(packed, original, token);
    for (std::size_t set = 0; set < changes.size(); ++set) {
      PerKind& bounds = changes[set][token];
      // On the original's states the packed block was run: the same numbers, not even rounding.
      const double moved = set == 0 ? 0.0 : bounds[kBlockBound];
      bounds[kBlockBound] = (moved + observed) * settings_.scale;
      bounds[kStateBound] = observed * settings_.scale;
    }
  }
}

void CertificateWalk::count_change(const std::vector<float>& observed,
                                   const std::vector<float>& original, const Radii& bounds,
                                   ChangeTally& tally) {
  for (std::size_t token = 0; token < bounds.size(); ++token) {
    const double change = observed_change(observed, original, token);
    const double size = norm_of({original.data() + token * hidden_, hidden_});
    if (tally.add(bounds[token], change, size)) flag(token);
  }
}

void CertificateWalk::count_agreement() {
  for (const WindowRows& window : windows_) {
    certificate_.top1_agreement.add(same_top1_, window.first, window.count, draws_);
    certificate_.routing_agreement.add(same_experts_, window.first, window.count, draws_);
  }
}

void CertificateWalk::flag(std::size_t token) { has_exceeded_[window_of_[token]] = true; }

}  // namespace trine::eval
