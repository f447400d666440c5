// What counts as part of a model that has an encoder.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "support/encoder_decoder.h"

namespace trine {
namespace {

using testing_support::small_encoder_decoder;
using testing_support::small_spec;

std::vector<std::string> names_of(const std::vector<const MatrixSpec*>& matrices) {
  std::vector<std::string> names;
  for (const MatrixSpec* matrix : matrices) names.push_back(matrix->name);
  return names;
}

TEST(EncoderDecoder, HasTheLayersOfBothHalvesEncoderFirst) {
  const ModelSpec spec = small_encoder_decoder();
  const auto layers = all_layers(spec);
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_EQ(layers[0], &spec.encoder->layers[0]);
  EXPECT_EQ(layers[1], &spec.layers[0]);
  EXPECT_EQ(all_layers(small_spec()).size(), 2u);
}

TEST(EncoderDecoder, PacksAttentionOfAllKindsButNoPositionBias) {
  const ModelSpec spec = small_encoder_decoder();
  const auto packed = names_of(compressible_matrices(spec));
  EXPECT_EQ(packed.front(), "encoder." + spec.layers[0].attention.q_proj.name);
  // Per layer 4 of attention and 4 experts of 3; per decoder layer 4 more.
  EXPECT_EQ(packed.size(), 3u * (4 + 4 * 3) + 2 * 4);
  EXPECT_EQ(std::count(packed.begin(), packed.end(), "cross.1.o"), 1);
  const auto all = names_of(all_matrices(spec));
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size());
  for (const char* name : {"encoder.bias", "decoder.bias"}) {
    EXPECT_EQ(std::count(all.begin(), all.end(), name), 1) << name;
    EXPECT_EQ(std::count(packed.begin(), packed.end(), name), 0) << name;
  }
}

TEST(EncoderDecoder, HasTheNormsOfBothHalves) {
  // Two per layer and one at the end of each half; one more for each cross attention.
  EXPECT_EQ(all_vectors(small_encoder_decoder()).size(), 3u * 2 + 2 + 2);
}

}  // namespace
}  // namespace trine
