// Every family against logits and expert choices of a reference implementation
// (tools/make_goldens.py), on every instruction set this machine has. A folder of tests/golden
// with a golden.safetensors is a test; nothing is listed here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/safetensors_file.h"
#include "checkpoint/checkpoint.h"
#include "kernels/kernel_table.h"
#include "runtime/engine.h"

namespace trine {
namespace {

namespace fs = std::filesystem;
constexpr const char* kGoldenRoot = "tests/golden";

/// Both sides compute in fp32 over a few thousand terms per logit; the reference's own rounding
/// moves logits of size 10 by 2e-5. A wrong rope base, norm epsilon or mask moves them by > 0.1.
constexpr float kLogitTolerance = 2e-4f;

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGoldenRoot)) {
    if (fs::exists(entry.path() / "golden.safetensors")) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

template <class T>
std::vector<T> values_of(const base::SafetensorsFile& file, const char* name) {
  const base::TensorEntry* entry = file.find(name);
  EXPECT_NE(entry, nullptr) << name;
  const auto bytes = file.bytes(*entry);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// What the reference implementation computed.
struct Golden {
  std::size_t num_sequences, length, vocab_size, num_moe_layers, experts_per_token;
  std::vector<std::int32_t> token_ids;
  std::vector<float> logits;
  std::vector<std::int32_t> router_choices;  ///< [MoE layers, sequences, length, k], ascending; none for dense models

  explicit Golden(const base::SafetensorsFile& file)
      : num_sequences(file.find("logits")->shape[0]),
        length(file.find("logits")->shape[1]),
        vocab_size(file.find("logits")->shape[2]),
        num_moe_layers(has_experts(file) ? file.find("router_choices")->shape[0] : 0),
        experts_per_token(has_experts(file) ? file.find("router_choices")->shape[3] : 0),
        token_ids(values_of<std::int32_t>(file, "token_ids")),
        logits(values_of<float>(file, "logits")),
        router_choices(has_experts(file) ? values_of<std::int32_t>(file, "router_choices")
                                         : std::vector<std::int32_t>()) {}

  static bool has_experts(const base::SafetensorsFile& file) {
    return file.find("router_choices") != nullptr;
  }

  [[nodiscard]] std::span<const std::int32_t> sequence(std::size_t index) const {
    return std::span(token_ids).subspan(index * length, length);
  }
};

class GoldenModel : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const fs::path folder = fs::path(kGoldenRoot) / GetParam();
    auto opened = checkpoint::Checkpoint::open(folder);
    ASSERT_TRUE(opened) << opened.error().message;
    checkpoint_.emplace(std::move(*opened));
    auto file = base::SafetensorsFile::open(folder / "golden.safetensors");
    ASSERT_TRUE(file) << file.error().message;
    golden_.emplace(*file);
  }

  runtime::Engine engine(const kernels::KernelTable& table, int threads) {
    return runtime::Engine::load(checkpoint_->spec(), *checkpoint_, table, threads).value();
  }

  void expect_logits(std::span<const float> logits, std::size_t first_logit) {
    float largest = 0.0f;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      largest = std::max(largest, std::abs(logits[i] - golden_->logits[first_logit + i]));
    }
    EXPECT_LE(largest, kLogitTolerance);
    RecordProperty("max_logit_difference", std::to_string(largest));
  }

  std::optional<checkpoint::Checkpoint> checkpoint_{};
  std::optional<Golden> golden_{};
};

TEST_P(GoldenModel, PrefillGivesTheReferenceLogitsAndExperts) {
  for (const kernels::KernelTable* table : kernels::runnable_tables()) {
    SCOPED_TRACE(table->name);
    runtime::Engine model = engine(*table, 2);
    std::vector<runtime::KvCache> caches(golden_->num_sequences,
                                         runtime::KvCache(model.spec()));
    std::vector<runtime::SequenceStep> steps;  // all sequences in one batch
    for (std::size_t i = 0; i < golden_->num_sequences; ++i) {
      steps.push_back({golden_->sequence(i), &caches[i]});
    }
    runtime::RoutingTrace trace;
    const auto hidden = model.forward(steps, &trace);
    ASSERT_TRUE(hidden) << hidden.error().message;
    expect_logits(model.logits(*hidden), 0);

    ASSERT_EQ(trace.size(), golden_->num_moe_layers);
    std::vector<std::int32_t> chosen;
    for (runtime::Routing& routing : trace) {
      const auto k = static_cast<std::ptrdiff_t>(golden_->experts_per_token);
      ASSERT_EQ(routing.experts_per_token, golden_->experts_per_token);
      for (auto it = routing.experts.begin(); it != routing.experts.end(); it += k) {
        std::sort(it, it + k);
      }
      chosen.insert(chosen.end(), routing.experts.begin(), routing.experts.end());
    }
    EXPECT_EQ(chosen, golden_->router_choices);
  }
}

/// Under dynamic and LongRoPE scaling a longer sequence turns earlier keys differently, so cached
/// keys of a shorter one do not give the logits of a fresh prefill: only prefill is compared.
bool has_growing_frequencies(const ModelSpec& spec, std::size_t length) {
  return spec.rope.original_positions > 0 && length > spec.rope.original_positions;
}

TEST_P(GoldenModel, TokenByTokenDecodeGivesTheReferenceLogits) {
  if (has_growing_frequencies(checkpoint_->spec(), golden_->length)) {
    GTEST_SKIP() << "the frequencies of this model change as the sequence grows";
  }
  runtime::Engine model = engine(*kernels::runnable_tables().back(), 1);
  for (std::size_t index = 0; index < golden_->num_sequences; ++index) {
    runtime::KvCache cache(model.spec());
    for (std::size_t position = 0; position < golden_->length; ++position) {
      const runtime::SequenceStep step{golden_->sequence(index).subspan(position, 1), &cache};
      const auto hidden = model.forward(std::span(&step, 1));
      ASSERT_TRUE(hidden) << hidden.error().message;
      expect_logits(model.logits(*hidden),
                    (index * golden_->length + position) * golden_->vocab_size);
    }
  }
}

TEST_P(GoldenModel, ContinuingACacheInPiecesGivesTheReferenceLogits) {
  if (has_growing_frequencies(checkpoint_->spec(), golden_->length)) {
    GTEST_SKIP() << "the frequencies of this model change as the sequence grows";
  }
  runtime::Engine model = engine(*kernels::runnable_tables().back(), 2);
  runtime::KvCache cache(model.spec());
  const std::size_t half = golden_->length / 2;
  for (const auto& [first, count] :
       {std::pair{std::size_t{0}, half}, std::pair{half, golden_->length - half}}) {
    const runtime::SequenceStep step{golden_->sequence(0).subspan(first, count), &cache};
    const auto hidden = model.forward(std::span(&step, 1));
    ASSERT_TRUE(hidden) << hidden.error().message;
    expect_logits(model.logits(*hidden), first * golden_->vocab_size);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryGolden, GoldenModel, testing::ValuesIn(golden_names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace trine
