// Pages: what is stored comes back, full ones are shared, the least used is forgotten.
#include "runtime/kv_pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "support/expect_error.h"
#include "support/memory_weights.h"
#include "support/scalar_kernels.h"

namespace trine::runtime {
namespace {

using testing_support::expect_error;
using testing_support::random_normal;
using testing_support::scalar;
using testing_support::small_spec;

std::vector<std::int32_t> tokens(std::size_t count, std::int32_t first = 0) {
  std::vector<std::int32_t> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

TEST(KvPool, ReadsWhatWasWritten) {
  const ModelSpec spec = small_spec();
  for (const KvFormat format : {KvFormat::kFp32, KvFormat::kFp16, KvFormat::kInt8}) {
    KvPool pool(spec, format, 3);
    const std::size_t width = spec.num_key_value_heads * spec.head_dim;
    const PageIndex page = *pool.take();
    const std::size_t layer = spec.layers.size() - 1;
    const auto keys = random_normal(width * kPageTokens, 1);
    const auto values = random_normal(width * kPageTokens, 2);
    for (std::size_t slot = 0; slot < kPageTokens; ++slot) {
      pool.write(scalar(), page, layer, slot, keys.data() + slot * width,
                 values.data() + slot * width);
    }
    for (std::size_t head = 0; head < spec.num_key_value_heads; ++head) {
      std::vector<float> read_keys(kPageTokens * spec.head_dim);
      std::vector<float> read_values(kPageTokens * spec.v_head_dim);
      pool.read_keys(scalar(), page, layer, head, kPageTokens, read_keys.data());
      pool.read_values(scalar(), page, layer, head, kPageTokens, read_values.data());
      for (std::size_t slot = 0; slot < kPageTokens; ++slot) {
        const float* row = keys.data() + slot * width + head * spec.head_dim;
        float most = 0.0f;
        for (std::size_t i = 0; i < spec.head_dim; ++i) most = std::max(most, std::abs(row[i]));
        for (std::size_t i = 0; i < spec.head_dim; ++i) {
          // Half a step: 2^-11 of a value in fp16 (and the smallest subnormal), 1/254 of the
          // head's largest one in int8; none in fp32.
          double tolerance = most / 254.0 * 1.001;
          if (format == KvFormat::kFp16) tolerance = std::abs(row[i]) * 0x1p-11 + 0x1p-25;
          if (format == KvFormat::kFp32) tolerance = 0.0;
          EXPECT_NEAR(read_keys[slot * spec.head_dim + i], row[i], tolerance);
        }
      }
      EXPECT_NEAR(read_values[0], values[head * spec.v_head_dim], 0.02);
    }
  }
}

TEST(KvPool, KeepsValuesBeyondFp16Finite) {
  const ModelSpec spec = small_spec();
  KvPool pool(spec, KvFormat::kFp16, 1);
  const std::vector<float> large(spec.num_key_value_heads * spec.head_dim, -1e6f);
  pool.write(scalar(), *pool.take(), 0, 0, large.data(), large.data());
  std::vector<float> read(spec.head_dim);
  pool.read_keys(scalar(), 0, 0, 0, 1, read.data());
  EXPECT_EQ(read.front(), -65504.0f);
}

TEST(KvPool, KnowsThreeFormats) {
  EXPECT_EQ(kv_format_named("int8").value(), KvFormat::kInt8);
  EXPECT_EQ(kv_format_named("fp32").value(), KvFormat::kFp32);
  expect_error(kv_format_named("fp64"), ErrorCode::kInvalidArgument, {"fp64", "fp32", "int8"});
}

TEST(PageTable, SharesPagesOfTheSameBeginning) {
  KvPool pool(small_spec(), KvFormat::kFp16, 4);
  const auto text = tokens(2 * kPageTokens + 5);
  PageTable first(pool);
  ASSERT_TRUE(first.reserve(text.size()));
  first.publish(text);
  EXPECT_EQ(first.num_published(), 2u);

  PageTable second(pool);
  EXPECT_EQ(second.adopt(text), 2 * kPageTokens);
  EXPECT_EQ(second.pages()[1], first.pages()[1]);
  auto other = text;
  other[kPageTokens] = 99;  // the second page begins differently
  PageTable third(pool);
  EXPECT_EQ(third.adopt(other), kPageTokens);
  // The same tokens after another beginning are another page.
  PageTable fourth(pool);
  EXPECT_EQ(fourth.adopt(std::span(text).subspan(kPageTokens)), 0u);
}

TEST(PageTable, RefusesWithoutChangeWhenMemoryIsShort) {
  KvPool pool(small_spec(), KvFormat::kFp16, 2);
  PageTable first(pool), second(pool);
  ASSERT_TRUE(first.reserve(1));
  EXPECT_FALSE(second.reserve(kPageTokens + 1));
  EXPECT_TRUE(second.pages().empty());
  EXPECT_EQ(pool.available_pages(), 1u);
  first.clear();
  EXPECT_TRUE(second.reserve(kPageTokens + 1));
}

TEST(PageTable, ForgetsWhatWasUnusedForLongest) {
  KvPool pool(small_spec(), KvFormat::kFp16, 2);
  const auto old_text = tokens(kPageTokens), new_text = tokens(kPageTokens, 100);
  for (const auto* text : {&old_text, &new_text}) {
    PageTable table(pool);
    ASSERT_TRUE(table.reserve(text->size()));
    table.publish(*text);
  }
  EXPECT_EQ(pool.available_pages(), 2u);  // known, but nobody's
  PageTable hungry(pool);
  ASSERT_TRUE(hungry.reserve(1));
  PageTable table(pool);
  EXPECT_EQ(table.adopt(old_text), 0u);
  EXPECT_EQ(table.adopt(new_text), kPageTokens);
}

TEST(PageTable, NeverFindsTheEndOfAForgottenBeginning) {
  KvPool pool(small_spec(), KvFormat::kFp16, 3);
  const auto text = tokens(2 * kPageTokens);
  {
    PageTable table(pool);
    ASSERT_TRUE(table.reserve(text.size()));
    table.publish(text);
  }
  // One page is empty and one must be forgotten: the end goes before the beginning.
  PageTable hungry(pool);
  ASSERT_TRUE(hungry.reserve(2 * kPageTokens));
  PageTable table(pool);
  EXPECT_EQ(table.adopt(text), kPageTokens);
}

}  // namespace
}  // namespace trine::runtime
