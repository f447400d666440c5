#include "eval/layer_subject.h"

#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "base/random.h"
#include "eval/layer_mix.h"
#include "eval/random_matrices.h"
#include "models/weight_source.h"

namespace trine::eval {
namespace {

/// Matrices by name.
class NamedMatrices final : public models::WeightSource {
 public:
  MatrixSpec add(std::string name, std::size_t out, std::size_t in, models::WeightView view) {
    views_.emplace(name, std::move(view));
    return {.name = std::move(name), .out_features = out, .in_features = in};
  }

  Result<models::WeightView> matrix(const MatrixSpec& spec) const override {
    return views_.at(spec.name);
  }
  Result<std::vector<float>> vector(const VectorSpec& /*spec*/) const override {
    return std::vector<float>{};
  }
  void release(const MatrixSpec& /*spec*/) const override {}

 private:
  std::map<std::string, models::WeightView> views_{};
};

/// Fills a buffer with matrices, one behind the other.
class MatrixMaker {
 public:
  MatrixMaker(std::span<std::uint8_t> buffer, std::uint64_t seed, int threads,
              NamedMatrices& source)
      : rest_(buffer), seed_(seed), threads_(threads), source_(source) {}

  MatrixSpec make(const std::string& name, const PackedLayout& layout, std::size_t rank) {
    const std::size_t bytes = RandomMatrices::bytes_of_one(layout, rank);
    const RandomMatrices made(layout, rank, rest_.first(bytes), 1, threads_, seed_);
    rest_ = rest_.subspan(bytes);
    seed_ += 3;  // codes and two factors
    models::WeightView view = made[0];
    if (rank == 0) view = made[0].codes;
    return source_.add(name, layout.out_features, layout.in_features, std::move(view));
  }

 private:
  std::span<std::uint8_t> rest_;
  std::uint64_t seed_;
  int threads_;
  NamedMatrices& source_;
};

/// Entries of standard deviation 1/√hidden: logits of order 1.
std::vector<float> random_router(const LayerBenchOptions& options, std::uint64_t seed) {
  base::Random random(seed);
  std::vector<float> values(options.num_experts * options.hidden_size);
  const double deviation = 1.0 / std::sqrt(static_cast<double>(options.hidden_size));
  for (float& value : values) value = static_cast<float>(deviation * random.normal());
  return values;
}

MoeSpec router_spec(const LayerBenchOptions& options, const std::vector<float>& router,
                    NamedMatrices& source) {
  const TensorView view{.dtype = DType::kF32,
                        .shape = {options.num_experts, options.hidden_size},
                        .bytes = {reinterpret_cast<const std::uint8_t*>(router.data()),
                                  router.size() * sizeof(float)}};
  MoeSpec spec;
  spec.router.matrix = source.add("router", options.num_experts, options.hidden_size, view);
  spec.router.experts_per_token = options.experts_per_token;
  spec.router.renormalises = true;  // as Mixtral does
  return spec;
}

}  // namespace

Result<LayerSubject> LayerSubject::make(const LayerBenchOptions& options,
                                        std::vector<LayerExpert> plan, std::uint64_t seed,
                                        int threads) {
  std::size_t bytes = 0;
  for (const LayerExpert& expert : plan) bytes += expert.stored_bytes;
  TRINE_ASSIGN_OR_RETURN(LargeBuffer buffer, LargeBuffer::allocate(bytes));
  LayerSubject layer(std::move(plan), std::move(buffer));
  layer.router_ = random_router(options, seed);
  NamedMatrices source;
  MoeSpec spec = router_spec(options, layer.router_, source);
  MatrixMaker maker(layer.buffer_.bytes(), seed, threads, source);
  for (std::size_t index = 0; index < layer.plan_.size(); ++index) {
    const LayerExpert& expert = layer.plan_[index];
    const std::string name = std::to_string(index);
    const PackedLayout up = up_layout(options, expert.bits);
    const PackedLayout down = down_layout(options, expert.bits);
    spec.experts.push_back({.gate_proj = maker.make(name + ".gate_proj", up, expert.rank),
                            .up_proj = maker.make(name + ".up_proj", up, expert.rank),
                            .down_proj = maker.make(name + ".down_proj", down, expert.rank)});
  }
  TRINE_ASSIGN_OR_RETURN(layer.experts_, runtime::Experts::load(spec, ModelSpec{}, source));
  return layer;
}

std::size_t LayerSubject::active_bytes(std::span<const std::int32_t> chosen) const {
  std::vector<bool> is_active(plan_.size());
  for (const std::int32_t expert : chosen) is_active[static_cast<std::size_t>(expert)] = true;
  std::size_t bytes = router_.size() * sizeof(float);
  for (std::size_t index = 0; index < plan_.size(); ++index) {
    if (is_active[index]) bytes += plan_[index].stored_bytes;
  }
  return bytes;
}

}  // namespace trine::eval
