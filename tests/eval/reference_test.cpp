// A file of what the original said, in its place: the same figures, and sentences for bad files.
#include "eval/reference_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "eval/perplexity.h"
#include "support/encoder_decoder.h"
#include "support/expect_error.h"
#include "support/memory_weights.h"
#include "support/temporary_directory.h"

namespace trine::eval {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::MemoryWeights;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::sentence;
using testing_support::small_encoder_decoder;
using testing_support::small_spec;

using TokenTexts = std::vector<std::vector<std::int32_t>>;

runtime::Engine load(const ModelSpec& spec, const MemoryWeights& weights) {
  return runtime::Engine::load(spec, weights, *kernels::runnable_tables().front(), 2).value();
}

class ReferenceTest : public testing::Test {
 protected:
  explicit ReferenceTest(ModelSpec spec = small_spec()) : spec_(std::move(spec)) {}

  /// The original says something of `texts` into the file of that name.
  [[nodiscard]] fs::path save(const std::string& name, const TokenTexts& texts,
                              std::size_t top_tokens) {
    const fs::path path = directory_.path() / name;
    const auto cut = cut_texts(spec_, texts, how_).value();
    auto writer =
        ReferenceWriter::create(path, spec_, protocol_of(spec_, how_), cut, top_tokens);
    EXPECT_TRUE(writer.has_value()) << sentence(writer);
    EXPECT_TRUE(measure_perplexity(original_, cut, how_, {nullptr, &*writer}, {}).has_value());
    EXPECT_TRUE(writer->finish().has_value());
    return path;
  }
  [[nodiscard]] Result<PerplexityResult> measure(Reference& reference,
                                                 const TokenTexts& texts) {
    TRINE_ASSIGN_OR_RETURN(const auto cut, cut_texts(spec_, texts, how_));
    return measure_perplexity(model_, cut, how_, {&reference, nullptr}, {});
  }
  [[nodiscard]] Result<PerplexityResult> measure(const fs::path& file,
                                                 const TokenTexts& texts) {
    TRINE_ASSIGN_OR_RETURN(auto reference, FileReference::open(file));
    return measure(reference, texts);
  }

  testing_support::TemporaryDirectory directory_{};
  ModelSpec spec_;
  MemoryWeights weights_ = random_weights(spec_, 1);
  MemoryWeights other_weights_ = random_weights(spec_, 2);
  runtime::Engine model_ = load(spec_, weights_);
  runtime::Engine original_ = load(spec_, other_weights_);
  PerplexityOptions how_{.window = 25, .stride = 25, .splits_divergence = true};
  TokenTexts texts_{random_tokens(210, spec_.vocab_size, 3),
                    random_tokens(60, spec_.vocab_size, 4)};
};

/// Everything but the divergences, which depend on how much of a prediction is kept.
void expect_same_but_divergences(const TextFigures& a, const TextFigures& b) {
  EXPECT_EQ(a.num_scored, b.num_scored);
  EXPECT_EQ(a.perplexity.value, b.perplexity.value);
  EXPECT_EQ(a.fidelity->top1_agreement.value, b.fidelity->top1_agreement.value);
  EXPECT_EQ(a.fidelity->routing_agreement.value, b.fidelity->routing_agreement.value);
  // Log-probabilities are kept as floats, of numbers below 16: 2^-20 each.
  EXPECT_NEAR(a.fidelity->original_perplexity.value, b.fidelity->original_perplexity.value,
              b.fidelity->original_perplexity.value * 0x1p-20);
}

TEST_F(ReferenceTest, OfTheWholeVocabularySaysWhatTheOriginalSays) {
  EngineReference engine(original_);
  const auto expected = measure(engine, texts_);
  ASSERT_TRUE(expected.has_value()) << sentence(expected);
  for (const std::size_t top_tokens : {50u, 1000u}) {  // more than there are: all
    const auto found = measure(save("whole", texts_, top_tokens), texts_);
    ASSERT_TRUE(found.has_value()) << sentence(found);
    ASSERT_EQ(found->texts.size(), 2u);
    for (std::size_t text = 0; text < 2; ++text) {
      const TextFigures& a = found->texts[text];
      const TextFigures& b = expected->texts[text];
      expect_same_but_divergences(a, b);
      // Each of both logarithms in p·(log p − log q) is off by at most 2^-20, p by as much of it.
      const double tolerance = 3.0 * 0x1p-20 * 16.0;
      ASSERT_GT(b.fidelity->kl_divergence.value, 100.0 * tolerance);
      EXPECT_NEAR(a.fidelity->kl_divergence.value, b.fidelity->kl_divergence.value, tolerance);
      EXPECT_NEAR(a.fidelity->split->experts.value, b.fidelity->split->experts.value,
                  tolerance);
      EXPECT_NEAR(a.fidelity->split->routing.value, b.fidelity->split->routing.value,
                  2.0 * tolerance);
    }
  }
}

TEST_F(ReferenceTest, OfFewTokensNeverExaggerates) {
  EngineReference engine(original_);
  const auto whole = measure(engine, texts_).value();
  double before = 0.0;
  for (const std::size_t top_tokens : {1u, 4u, 16u, 40u}) {
    const auto found = measure(save("few", texts_, top_tokens), texts_);
    ASSERT_TRUE(found.has_value()) << sentence(found);
    expect_same_but_divergences(found->all, whole.all);
    const double divergence = found->all.fidelity->kl_divergence.value;
    EXPECT_GT(divergence, before) << top_tokens;  // a finer partition hides less
    EXPECT_LT(divergence, whole.all.fidelity->kl_divergence.value);
    before = divergence;
  }
  EXPECT_GT(before, 0.9 * whole.all.fidelity->kl_divergence.value);
}

TEST_F(ReferenceTest, FindsATextWhateverItsPlace) {
  const fs::path file = save("both", texts_, 50);
  const auto both = measure(file, texts_).value();
  const auto second = measure(file, {texts_[1]});
  ASSERT_TRUE(second.has_value()) << sentence(second);
  EXPECT_EQ(second->all.fidelity->kl_divergence.value,
            both.texts[1].fidelity->kl_divergence.value);
  const auto turned = measure(file, {texts_[1], texts_[0]}).value();
  EXPECT_EQ(turned.texts[1].fidelity->kl_divergence.value,
            both.texts[0].fidelity->kl_divergence.value);
  // All together are the mean over tokens.
  const double sum = both.texts[0].fidelity->kl_divergence.value * 8 * 24 +
                     both.texts[1].fidelity->kl_divergence.value * 2 * 24;
  EXPECT_NEAR(both.all.fidelity->kl_divergence.value, sum / (10 * 24), 1e-12);
}

TEST_F(ReferenceTest, KnowsLayersWithoutExperts) {
  spec_.layers[0].dense = spec_.layers[0].moe->experts[0];
  spec_.layers[0].moe.reset();
  model_ = load(spec_, weights_);
  original_ = load(spec_, other_weights_);
  EngineReference engine(original_);
  const auto expected = measure(engine, texts_);
  ASSERT_TRUE(expected.has_value()) << sentence(expected);
  const fs::path file = save("file", texts_, 1000);
  const auto found = measure(file, texts_);
  ASSERT_TRUE(found.has_value()) << sentence(found);
  expect_same_but_divergences(found->all, expected->all);
  std::swap(spec_.layers[0], spec_.layers[1]);  // the same, in other places
  model_ = load(spec_, weights_);
  expect_error(measure(file, texts_), ErrorCode::kInvalidArgument, {"other experts"});
}

TEST_F(ReferenceTest, RefusesOtherTextsWindowsAndModels) {
  const fs::path file = save("file", texts_, 8);
  TokenTexts changed = {texts_[0]};
  changed[0][100] = (changed[0][100] + 1) % 50;
  expect_error(measure(file, changed), ErrorCode::kInvalidArgument,
               {"2 other texts", "210", "last token"});
  how_.window = how_.stride = 30;
  expect_error(measure(file, texts_), ErrorCode::kInvalidArgument, {"--window 25", "30"});
  how_ = {.window = 25, .stride = 5};
  expect_error(measure(file, texts_), ErrorCode::kInvalidArgument,
               {"protocol disjoint", "sliding"});
  how_.stride = 25;
  ModelSpec shorter = spec_;
  shorter.layers.pop_back();
  model_ = load(shorter, weights_);
  expect_error(measure(file, texts_), ErrorCode::kInvalidArgument, {"other experts"});
}

TEST_F(ReferenceTest, RefusesWhatIsNoReference) {
  const fs::path file = directory_.path() / "weights.safetensors";
  auto writer = base::SafetensorsWriter::create(file, {}, {{"format", "pt"}});
  ASSERT_TRUE(writer->finish().has_value());
  expect_error(FileReference::open(file), ErrorCode::kMalformed,
               {"no reference file", "--save-reference"});
  expect_error(FileReference::open(directory_.path() / "absent"), ErrorCode::kNotFound,
               {"absent"});
}

/// The bytes of a file after `change` of them.
std::string changed_file(const fs::path& path, const std::string& from, const std::string& to) {
  std::ifstream input(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(input)), std::istreambuf_iterator<char>());
  const std::size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  bytes.replace(at, from.size(), to);
  return bytes;
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

TEST_F(ReferenceTest, SaysWhatIsWrongWithItsMetadata) {
  const fs::path file = save("file", texts_, 8), bad = directory_.path() / "bad";
  struct Change {
    std::string from, to, sentence;
  };
  for (const Change& change : {
           Change{R"("version":"1")", R"("version":"9")", "version \"9\""},
           Change{R"("top_tokens":"8")", R"("top_tokens":"x")", "top_tokens is \"x\""},
           Change{R"("top_tokens":"8")", R"("top_tokens":"0")", "top_tokens is \"0\""},
           Change{R"("vocab_size":"50")", R"("vocab_size":"07")", "8 tokens kept"},
           Change{R"("decoder_layers":"2/4,2/4")", R"("decoder_layers":"2/4,5/4")", "2/4,5/4"},
           Change{R"("decoder_layers":"2/4,2/4")", R"("decoder_layers":"2/4,2-4")", "2/4,2-4"},
           Change{R"("texts":"2")", R"("texts":"3")", "no text.2"},
       }) {
    write_bytes(bad, changed_file(file, change.from, change.to));
    const auto opened = FileReference::open(bad);
    ASSERT_FALSE(opened.has_value()) << change.to;
    EXPECT_NE(opened.error().message.find(change.sentence), std::string::npos)
        << opened.error().message;
  }
}

TEST_F(ReferenceTest, OfAnyBytesIsReadOrRefused) {
  const fs::path file = save("file", {texts_[1]}, 8), bad = directory_.path() / "bad";
  const std::string bytes = changed_file(file, "text.0", "text.0");
  std::size_t refused = 0;
  base::Random random(7);
  for (int round = 0; round < 300; ++round) {
    std::string hostile = bytes;
    // Half of the changes go to the numbers, whose every byte may be wrong.
    const std::size_t header = bytes.find("}}") + 2;
    const std::size_t from = round % 2 == 0 ? 8 : header;
    const std::size_t to = round % 2 == 0 ? header : bytes.size();
    hostile[from + random.next() % (to - from)] = static_cast<char>(random.next() & 0xFF);
    write_bytes(bad, hostile);
    const auto found = measure(bad, {texts_[1]});
    if (!found) ++refused;
  }
  EXPECT_GT(refused, 50u);
  EXPECT_LT(refused, 300u);  // a log-probability may be any number below 0
}

TEST_F(ReferenceTest, SplitsOffWhatRoutingAloneDoes) {
  // The bias of this rule chooses experts and has no part in their weights: with the original's
  // experts forced, a model that differs in the biases only is the original.
  for (LayerSpec& layer : spec_.layers) {
    layer.moe->router.rule = RoutingRule::kSigmoidBiased;
    layer.moe->router.selection_bias = {.name = layer.moe->router.matrix.name + ".bias",
                                        .size = 4};
  }
  const auto with_biases = [&](const std::vector<float>& biases) {
    MemoryWeights weights = weights_;
    for (const LayerSpec& layer : spec_.layers) {
      weights.set(layer.moe->router.selection_bias.name, DType::kF32, {4}, biases);
    }
    return weights;
  };
  const MemoryWeights plain = with_biases({0, 0, 0, 0}), biased = with_biases({1, -1, 0, 0.5});
  original_ = load(spec_, plain);
  model_ = load(spec_, biased);
  const fs::path file = save("file", texts_, 50);
  EngineReference engine(original_);
  auto from_file = FileReference::open(file).value();
  for (Reference* reference :
       {static_cast<Reference*>(&engine), static_cast<Reference*>(&from_file)}) {
    const auto found = measure(*reference, texts_);
    ASSERT_TRUE(found.has_value()) << sentence(found);
    const Fidelity& fidelity = *found->all.fidelity;
    EXPECT_LT(fidelity.routing_agreement.value, 0.9);
    EXPECT_GT(fidelity.kl_divergence.value, 0.01);
    // From the file: log-probabilities of 2^-20, squared in the divergence of nearly equal ones.
    EXPECT_NEAR(fidelity.split->experts.value, 0.0, reference == &engine ? 0.0 : 16 * 0x1p-20);
    EXPECT_NEAR(fidelity.split->routing.value, fidelity.kl_divergence.value, 16 * 0x1p-20);
  }
}

class EncodedReferenceTest : public ReferenceTest {
 protected:
  EncodedReferenceTest() : ReferenceTest(small_encoder_decoder()) {}
};

TEST_F(EncodedReferenceTest, KeepsTheExpertsOfBothHalves) {
  EngineReference engine(original_);
  const auto expected = measure(engine, texts_);
  ASSERT_TRUE(expected.has_value()) << sentence(expected);
  const auto found = measure(save("file", texts_, 1000), texts_);
  ASSERT_TRUE(found.has_value()) << sentence(found);
  expect_same_but_divergences(found->all, expected->all);
  EXPECT_NEAR(found->all.fidelity->split->experts.value,
              expected->all.fidelity->split->experts.value, 3.0 * 0x1p-20 * 16.0);
}

}  // namespace
}  // namespace trine::eval
