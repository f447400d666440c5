// Reading a packed model back: its weights, and damage in its bytes.
#include "packed/packed_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "support/expect_error.h"
#include "support/tiny_packed_model.h"

namespace trine::packed {
namespace {

namespace fs = std::filesystem;
using base::Json;
using testing_support::correct_checksum;
using testing_support::edit_byte;
using testing_support::edit_json;
using testing_support::expect_error;
using testing_support::kTinyMatrix;
using testing_support::kTinyPacked;
using testing_support::kTinyRouter;
using testing_support::matrix_named;
using testing_support::sentence;
using testing_support::TemporaryDirectory;
using testing_support::TinyPackedModel;

std::uint8_t flip_lowest_bit(std::uint8_t byte) { return byte ^ 1u; }

class PackedModelTest : public testing::Test {
 protected:
  void write(std::uint64_t max_shard_bytes = 4000) {
    const auto status = model_.write(target(), max_shard_bytes);
    ASSERT_TRUE(status.has_value()) << sentence(status);
  }
  [[nodiscard]] fs::path target() const { return directory_.path() / "packed"; }
  [[nodiscard]] Result<PackedModel> open() const { return PackedModel::open(target()); }
  [[nodiscard]] Status verify() const {
    TRINE_ASSIGN_OR_RETURN(const PackedModel model, open());
    return model.verify({});
  }

  TemporaryDirectory directory_;
  TinyPackedModel model_;
};

TEST_F(PackedModelTest, GivesBackWhatWasWritten) {
  for (const std::uint64_t max_shard_bytes : {std::uint64_t{1}, kMaxShardBytes}) {
    fs::remove_all(target());
    write(max_shard_bytes);
    auto opened = open();
    ASSERT_TRUE(opened.has_value()) << sentence(opened);
    const PackedModel model = std::move(*opened);  // views survive the move
    EXPECT_EQ(model.spec().layers.size(), 2u);
    EXPECT_EQ(model.manifest().source_xxh3, model_.manifest.source_xxh3);
    for (const auto& [name, matrix] : model_.matrices) {
      const auto weight = model.matrix(matrix_named(name));
      ASSERT_TRUE(weight.has_value()) << sentence(weight);
      const auto* packed = models::codes_of(*weight);
      ASSERT_NE(packed, nullptr) << name;
      const std::vector<float> values = kernels::dequantize(*packed);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t row = i / matrix.cols;
        const std::size_t group = i % matrix.cols / matrix.group_size;
        const std::size_t place = row * matrix.num_groups() + group;
        EXPECT_EQ(values[i], (static_cast<float>(matrix.codes[i]) - matrix.zeros[place]) *
                                 matrix.scales[place]);
      }
      model.release(matrix_named(name));
      EXPECT_EQ(kernels::dequantize(*packed), values);
    }
    const auto router = std::get<TensorView>(model.matrix(matrix_named(kTinyRouter)).value());
    EXPECT_EQ(router.dtype, DType::kBF16);
    EXPECT_EQ(router.shape, (std::vector<std::size_t>{2, 8}));
    EXPECT_TRUE(std::ranges::equal(router.bytes, model_.bytes.at(kTinyRouter)));
  }
}

TEST_F(PackedModelTest, GivesBackCompensators) {
  write();
  const PackedModel model = open().value();
  std::size_t num_compensators = 0;
  for (const auto& [name, record] : model_.manifest.matrices) {
    const auto weight = model.matrix(matrix_named(name));
    ASSERT_TRUE(weight.has_value()) << sentence(weight);
    const LowRankView* low_rank = models::low_rank_of(*weight);
    ASSERT_EQ(low_rank != nullptr, record.rank > 0) << name;
    if (low_rank == nullptr) continue;
    ++num_compensators;
    EXPECT_EQ(low_rank->rank, stored_rank(record.rank, record.factor_bits));
    for (const auto& [side, factor] : {std::pair{left_name(name), &low_rank->left},
                                       std::pair{right_name(name), &low_rank->right}}) {
      const auto* packed = std::get_if<PackedMatrixView>(factor);
      ASSERT_EQ(packed != nullptr, record.factor_bits != 16) << side;
      const auto bytes =
          packed == nullptr ? std::get<TensorView>(*factor).bytes : packed->blocks;
      EXPECT_TRUE(std::ranges::equal(bytes, model_.bytes.at(side))) << side;
      if (packed == nullptr) continue;
      const QuantizedMatrix& written = model_.factors.at(side);
      EXPECT_EQ(packed->layout, (PackedLayout{written.rows, written.cols, written.bits, 64,
                                              record.layout.metadata_bits}));
    }
  }
  EXPECT_EQ(num_compensators, 9u);
}

TEST_F(PackedModelTest, IsToldFromACheckpointByItsConfig) {
  write();
  EXPECT_EQ(is_packed_model(target()).value(), true);
  edit_json(target() / "config.json",
            [](Json& json) { json["quantization_config"]["quant_method"] = "gptq"; });
  EXPECT_EQ(is_packed_model(target()).value(), false);
  edit_json(target() / "config.json", [](Json& json) { json.erase("quantization_config"); });
  EXPECT_EQ(is_packed_model(target()).value(), false);
  expect_error(is_packed_model(directory_.path()), ErrorCode::kNotFound, {"config.json"});
}

TEST_F(PackedModelTest, VerifiesAndReportsEveryByte) {
  write();
  std::uint64_t done = 0;
  std::size_t calls = 0;
  const auto status = open().value().verify([&](const Progress& progress) {
    EXPECT_GT(progress.done_units, done);
    done = progress.done_units;
    ++calls;
    EXPECT_EQ(progress.total_units, model_.manifest.totals.stored_bytes);
  });
  EXPECT_TRUE(status.has_value()) << sentence(status);
  EXPECT_EQ(calls, model_.tensors.size());
  EXPECT_EQ(done, model_.manifest.totals.stored_bytes);
}

TEST_F(PackedModelTest, NamesATensorItDoesNotHave) {
  write();
  expect_error(open().value().matrix(matrix_named("model.none")), ErrorCode::kNotFound,
               {"model.none"});
}

TEST_F(PackedModelTest, FindsOneFlippedBitAnywhere) {
  write();
  const PackedLayout layout = model_.manifest.matrices.at(kTinyMatrix).layout;
  const std::vector<std::pair<std::string, std::size_t>> places = {
      {kTinyPacked, 0},                          // codes
      {kTinyPacked, layout.codes_bytes()},       // a scale
      {kTinyPacked, layout.codes_bytes() + 32},  // a zero
      {kTinyPacked, layout.total_bytes() - 1},   // padding
      {kTinyRouter, 0},                          // an untouched tensor
      {"lm_head.weight", model_.bytes.at("lm_head.weight").size() - 1}};
  for (const auto& [tensor, offset] : places) {
    edit_byte(target(), tensor, offset, flip_lowest_bit);
    expect_error(verify(), ErrorCode::kChecksum, {tensor, "damaged"});
    edit_byte(target(), tensor, offset, flip_lowest_bit);
  }
  EXPECT_TRUE(verify().has_value());
}

TEST_F(PackedModelTest, FindsOneFlippedBitInWhatVersionTwoAdded) {
  write();
  for (const auto& [name, record] : model_.manifest.matrices) {
    std::vector<std::string> stored = {packed_name(name)};
    if (record.rank > 0) stored.insert(stored.end(), {left_name(name), right_name(name)});
    for (const std::string& tensor : stored) {
      const std::size_t last = model_.bytes.at(tensor).size() - 1;
      for (const std::size_t offset : {std::size_t{0}, last}) {
        edit_byte(target(), tensor, offset, flip_lowest_bit);
        expect_error(verify(), ErrorCode::kChecksum, {tensor, "damaged"});
        edit_byte(target(), tensor, offset, flip_lowest_bit);
      }
    }
  }
  EXPECT_TRUE(verify().has_value());
}

TEST_F(PackedModelTest, FindsFactorsThatAreNotFinite) {
  write();
  bool has_tried_codes = false, has_tried_halves = false, has_tried_row_line = false;
  const auto spoil = [this](const std::string& tensor, std::size_t offset,
                            const char* sentence_part) {
    const std::uint8_t before = model_.bytes.at(tensor).at(offset);
    edit_byte(target(), tensor, offset, [](std::uint8_t) { return std::uint8_t{0x7C}; });
    correct_checksum(target(), tensor);
    expect_error(verify(), ErrorCode::kMalformed, {tensor, sentence_part});
    edit_byte(target(), tensor, offset, [=](std::uint8_t) { return before; });
    correct_checksum(target(), tensor);
  };
  for (const auto& [name, record] : model_.manifest.matrices) {
    if (record.layout.metadata_bits == 8) {  // the scale step of row 0
      spoil(packed_name(name), 1, "not finite");
      has_tried_row_line = true;
    }
    if (record.rank == 0) continue;
    const bool is_half = record.factor_bits == 16;
    const PackedLayout left = left_layout(record.layout, record.rank, record.factor_bits);
    const std::size_t scale = left.metadata_bits == 8 ? 0 : left.metadata_offset(0);
    spoil(left_name(name), is_half ? 3 : scale + 1, is_half ? "not a" : "not finite");
    (is_half ? has_tried_halves : has_tried_codes) = true;
  }
  EXPECT_TRUE(has_tried_codes && has_tried_halves && has_tried_row_line);
  EXPECT_TRUE(verify().has_value());
}

TEST_F(PackedModelTest, FindsNumbersThatAreNoneBehindARightChecksum) {
  write();
  const PackedLayout layout = model_.manifest.matrices.at(kTinyMatrix).layout;
  // The high byte of an fp16: 0x7C gives an infinity or NaN whatever the low one is.
  for (const std::size_t in_metadata : {std::size_t{1}, std::size_t{63}}) {
    const std::size_t offset = layout.codes_bytes() + in_metadata;
    const std::uint8_t before = model_.bytes.at(kTinyPacked).at(offset);
    edit_byte(target(), kTinyPacked, offset, [](std::uint8_t) { return std::uint8_t{0x7C}; });
    correct_checksum(target(), kTinyPacked);
    expect_error(verify(), ErrorCode::kMalformed, {kTinyPacked, "not finite"});
    edit_byte(target(), kTinyPacked, offset, [=](std::uint8_t) { return before; });
    correct_checksum(target(), kTinyPacked);
  }
  EXPECT_TRUE(verify().has_value());
  for (const std::size_t offset : {0u, 1u}) {  // BF16 0x7FFF
    edit_byte(target(), kTinyRouter, offset,
              [=](std::uint8_t) -> std::uint8_t { return offset == 0 ? 0xFF : 0x7F; });
  }
  correct_checksum(target(), kTinyRouter);
  expect_error(verify(), ErrorCode::kMalformed, {kTinyRouter, "not a number"});
}

}  // namespace
}  // namespace trine::packed
