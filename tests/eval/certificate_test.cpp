// The certificate: its inequalities in cases written out by hand, and a small random model.
#include "eval/certificate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <vector>

#include "eval/certificate_bounds.h"
#include "eval/certificate_matrix.h"
#include "kernels/block_codec.h"
#include "support/expect_error.h"
#include "support/memory_weights.h"
#include "support/rounded_weights.h"

namespace trine::eval {
namespace {

using testing_support::expect_error;
using testing_support::MemoryWeights;
using testing_support::random_normal;
using testing_support::random_tokens;
using testing_support::random_weights;
using testing_support::RoundedWeights;
using testing_support::sentence;
using testing_support::small_spec;

TEST(CertificateBounds, SpectralBoundIsTightForADiagonalAndForRankOne) {
  const std::vector<float> diagonal = {3, 0, 0, 0, 5, 0};  // [2, 3]
  EXPECT_GE(spectral_bound(diagonal.data(), 2, 3), 5.0);
  EXPECT_LT(spectral_bound(diagonal.data(), 2, 3), 5.01);
  std::vector<float> ones(40 * 10, 1.0f);  // one singular value, √400
  EXPECT_GE(spectral_bound(ones.data(), 40, 10), 20.0);
  EXPECT_LT(spectral_bound(ones.data(), 40, 10), 20.01);
}

TEST(CertificateBounds, SpectralBoundHoldsForRandomMatricesAndVectors) {
  const auto matrix = random_normal(48 * 96, 1);
  const double bound = spectral_bound(matrix.data(), 48, 96);
  // √48 + √96 is where the largest singular value of such a matrix lies (Bai and Yin).
  EXPECT_GT(bound, 15.0);
  EXPECT_LT(bound, 1.1 * (std::sqrt(48.0) + std::sqrt(96.0)));
}

TEST(CertificateBounds, SiluChangeKnowsTheMinimum) {
  EXPECT_DOUBLE_EQ(silu_change(2.0, 0.0), 0.0);
  EXPECT_NEAR(silu_change(3.0, 1.0), silu(3.0) - silu(2.0), 1e-12);  // steeper than beyond
  EXPECT_NEAR(silu_change(-1.0, 1.0), silu(0.0) - silu(-1.0), 1e-12);
  // Both ends lie above the middle; the minimum is inside.
  EXPECT_NEAR(silu_change(-1.3, 0.1), std::max(silu(-1.2), silu(-1.4)) - silu(-1.3), 1e-12);
  for (double gate = -6.0; gate < 6.0; gate += 0.37) {
    const double bound = silu_change(gate, 0.8);
    for (double other = gate - 0.8; other <= gate + 0.8; other += 0.01) {
      EXPECT_LE(std::abs(silu(other) - silu(gate)), bound + 1e-12);
    }
  }
}

TEST(CertificateBounds, ABallIsSeenUnderItsAngle) {
  // From (1, 0) the tangent to a ball of radius sin 60° touches at 60°: the chord is 1.
  EXPECT_NEAR(normalized_radius(1.0, std::sqrt(0.75), 4), 2.0, 1e-12);
  EXPECT_DOUBLE_EQ(normalized_radius(1.0, 7.0, 4), 4.0);
  EXPECT_DOUBLE_EQ(normalized_radius(1.0, 0.0, 4), 0.0);
}

TEST(CertificateBounds, SoftmaxChangeIsReached) {
  // Two equal logits ± ε/2 around the worst place: p goes from 1/(1+e^ε) to 1/(1+e^−ε).
  const double change = 0.7;
  const double before = 1.0 / (1.0 + std::exp(change));
  const double after = 1.0 / (1.0 + std::exp(-change));
  EXPECT_NEAR(softmax_change(change), 2.0 * (after - before), 1e-12);
}

/// One row of 32 inputs in steps of 0.5 with zero 0, original `value` everywhere.
struct OneRow {
  MatrixSpec spec{.name = "m", .out_features = 1, .in_features = 32};
  QuantizedMatrix codes{1, 32, 32, 2, std::vector<std::uint8_t>(32, 1), {0.5f}, {0.0f}};
  std::vector<std::uint8_t> bytes = kernels::pack(codes, 1);
  MemoryWeights original{}, packed{};

  explicit OneRow(float value) {
    original.set("m", DType::kF32, {1, 32}, std::vector<float>(32, value));
    packed.set_view("m", PackedMatrixView{{1, 32, 2, 32}, bytes});
  }
  [[nodiscard]] MatrixErrors errors(double scale = 1.0) const {
    return measure_errors(spec, original, packed, 1, scale, 1).value();
  }
};

TEST(CertificateMatrix, BoundsOfOneRowByHand) {
  const OneRow row(0.625f);  // code 1 is 0.5: every error is 0.125, half a step 0.25
  const MatrixErrors errors = row.errors();
  EXPECT_FLOAT_EQ(errors.radii.at(0), 0.25f);
  EXPECT_NEAR(errors.norms.at(0), 0.125 * std::sqrt(32.0), 1e-6);
  EXPECT_EQ(errors.clipped_groups, 0u);
  const std::vector<float> input(32, 1.0f);
  const InputSizes sizes = measure_inputs(input.data(), 1, 32, 32);
  const RowBounds bounds = bound_rows(errors, sizes, deviation_factor(0.01), 1);
  // The norm bound is tight: errors and inputs point the same way, 32 · 0.125 = 4. Rounding adds
  // ‖ŵ‖·η = √8 · √32 / 32000 = 5e-4 and less.
  EXPECT_GE(bounds.values[kNormBound][0], 4.0f);
  EXPECT_NEAR(bounds.values[kNormBound][0], 4.0, 1.5e-3);
  EXPECT_NEAR(bounds.values[kStepBound][0], 8.0, 1.5e-3);
  EXPECT_NEAR(bounds.values[kProbabilityBound][0],
              std::sqrt(2.0 * std::log(200.0)) * 0.25 * std::sqrt(32.0), 1.5e-3);
}

TEST(CertificateMatrix, ClippedWeightsWidenTheStep) {
  const OneRow row(2.0f);  // error 1.5, half a step 0.25
  const MatrixErrors errors = row.errors();
  EXPECT_FLOAT_EQ(errors.radii.at(0), 1.5f);
  EXPECT_EQ(errors.clipped_groups, 1u);
}

/// small_spec() with every compressible matrix packed, errors within half a step.
class CertificateTest : public testing::Test {
 protected:
  void pack_all(int bits) { rounded_.emplace(spec_, 1, bits); }
  [[nodiscard]] Result<Certificate> run(double scale = 1.0) const {
    const CertificateOptions options{
        .window = 16, .probability = 0.01, .threads = 2, .scale = scale};
    return certify(spec_, original_, rounded_->weights(), *kernels::runnable_tables().back(),
                   tokens_, options, {});
  }

  ModelSpec spec_ = small_spec();
  MemoryWeights original_ = random_weights(spec_, 1);
  std::optional<RoundedWeights> rounded_{};
  std::vector<std::int32_t> tokens_ = random_tokens(160, spec_.vocab_size, 3);
};

TEST_F(CertificateTest, HoldsAtEveryWidth) {
  for (const int bits : {2, 3, 4, 8}) {
    pack_all(bits);
    const auto certificate = run();
    ASSERT_TRUE(certificate.has_value()) << sentence(certificate);
    EXPECT_EQ(certificate->violations(), 0u) << bits;
    EXPECT_EQ(certificate->windows_exceeding, 0u) << bits;
    EXPECT_EQ(certificate->tokens, 160u);
    EXPECT_EQ(certificate->layers.size(), spec_.layers.size());
    EXPECT_EQ(certificate->layers[0].routing_next.tokens, 0u);
    EXPECT_EQ(certificate->layers[1].routing_next.tokens, 160u);
    EXPECT_GT(certificate->rows.outputs, 0u);
  }
}

TEST_F(CertificateTest, FindsABoundThatIsTooSmall) {
  pack_all(3);
  const auto certificate = run(0.1);
  ASSERT_TRUE(certificate.has_value()) << sentence(certificate);
  EXPECT_GT(certificate->violations(), 0u);
  EXPECT_GT(certificate->rows.violations[kNormBound], 0u);
  // Blocks chain several inequalities and stay far from their bounds; a thousandth is too little.
  const Certificate smallest = run(0.001).value();
  EXPECT_GT(smallest.layers[0].attention.violations[kNormBound], 0u);
  EXPECT_GT(smallest.layers[0].experts.violations[kNormBound], 0u);
  // A tenth of the distance to the packed model's states certifies decisions that do change.
  EXPECT_GT(certificate->top1_full.violations[kStateBound], 0u);
  EXPECT_GT(certificate->layers[0].attention.violations[kBlockBound], 0u);
}

TEST_F(CertificateTest, RunningMoreOfTheModelProvesMore) {
  pack_all(8);
  const Certificate certificate = run().value();
  for (const LayerCertificate& layer : certificate.layers) {
    // Local blocks are run, so the bound is what is seen.
    EXPECT_LT(layer.experts.bound_sums[kBlockBound],
              0.2 * layer.experts.bound_sums[kNormBound]);
    EXPECT_DOUBLE_EQ(layer.experts.bound_sums[kBlockBound], layer.experts.observed_sum);
    EXPECT_DOUBLE_EQ(layer.stream.bound_sums[kStateBound], layer.stream.observed_sum);
    EXPECT_GE(layer.routing_full.certified[kStateBound],
              layer.routing_full.certified[kBlockBound]);
  }
  // In front of the first router only its attention is packed: the same block, the same shares.
  EXPECT_EQ(certificate.layers[0].routing_full.certified,
            certificate.layers[0].routing_local.certified);
  const DecisionTally& top1 = certificate.top1_full;
  EXPECT_GT(top1.certified[kStateBound], 0u);
  EXPECT_GE(top1.certified[kStateBound], top1.certified[kBlockBound]);
  EXPECT_LE(top1.certified[kStateBound], top1.tokens - top1.flips);
}

TEST_F(CertificateTest, AgreementOfWindowsIsThatOfTokens) {
  pack_all(2);
  const Certificate certificate = run().value();
  ASSERT_EQ(certificate.top1_agreement.shares.size(), 10u);  // windows of equal length
  const double flips = static_cast<double>(certificate.top1_full.flips) / 160.0;
  EXPECT_NEAR(certificate.top1_agreement.mean(), 1.0 - flips, 1e-12);
  // A token whose experts change in any layer counts once.
  const double first = static_cast<double>(certificate.layers[0].routing_full.flips) / 160.0;
  EXPECT_GT(first, 0.0);
  EXPECT_LE(certificate.routing_agreement.mean(), 1.0 - first + 1e-12);
}

/// With a shared expert, its gate, and biases of queries, keys and values.
class SharedExpertTest : public CertificateTest {
 protected:
  SharedExpertTest() {
    spec_ = testing_support::small_shared_spec();
    original_ = random_weights(spec_, 1);
  }
};

TEST_F(SharedExpertTest, HoldsAtEveryWidth) {
  for (const int bits : {2, 4, 8}) {
    pack_all(bits);
    const auto certificate = run();
    ASSERT_TRUE(certificate.has_value()) << sentence(certificate);
    EXPECT_EQ(certificate->violations(), 0u) << bits;
    EXPECT_GT(certificate->layers[0].experts.observed_sum, 0.0);
  }
}

TEST_F(SharedExpertTest, IsPartOfTheBound) {
  // Only the shared expert is packed: all of the change is its.
  rounded_.emplace(spec_, 1, 2, [](const MatrixSpec& matrix) {
    return matrix.role == MatrixRole::kSharedExpert;
  });
  const auto certificate = run();
  ASSERT_TRUE(certificate.has_value()) << sentence(certificate);
  EXPECT_EQ(certificate->violations(), 0u);
  EXPECT_EQ(certificate->layers[0].attention.observed_sum, 0.0);
  EXPECT_GT(certificate->layers[0].experts.observed_sum, 0.0);
  EXPECT_GT(run(0.001)->layers[0].experts.violations[kNormBound], 0u);
}

TEST_F(CertificateTest, ProvesEverythingWhereNothingIsPacked) {
  rounded_.emplace(spec_, 1, 8, [](const MatrixSpec&) { return false; });
  const auto certificate = run();
  ASSERT_TRUE(certificate.has_value()) << sentence(certificate);
  EXPECT_EQ(certificate->violations(), 0u);
  EXPECT_EQ(certificate->top1_local.flips, 0u);
  // Only ties closer than the rounding of fp32 are left open.
  EXPECT_GT(certificate->top1_local.certified[kNormBound], 150u);
  EXPECT_GT(certificate->layers[0].routing_local.certified[kNormBound], 150u);
}

TEST_F(CertificateTest, MoreBitsProveMore) {
  pack_all(3);
  const double coarse = run().value().layers[0].experts.bound_sums[kNormBound];
  pack_all(8);
  EXPECT_LT(run().value().layers[0].experts.bound_sums[kNormBound], 0.1 * coarse);
}

TEST_F(CertificateTest, RefusesAnotherOriginal) {
  pack_all(3);
  original_.set(spec_.final_norm.weight.name, DType::kBF16, {spec_.hidden_size},
                std::vector<float>(spec_.hidden_size, 3.0f));
  expect_error(run(), ErrorCode::kInvalidArgument, {"is not the same in the model"});
}

TEST_F(CertificateTest, RefusesWhatNoBoundIsDerivedFor) {
  pack_all(3);
  spec_.activation = Activation::kRelu;
  expect_error(run(), ErrorCode::kUnsupported, {"activations but silu"});
}

}  // namespace
}  // namespace trine::eval
