// Everything the reader must refuse, one row each, and the edges it must accept.
#include "base/safetensors_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/expect_error.h"

namespace trine::base {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

struct BadHeader {
  const char* name;
  std::string header;
  std::size_t data_bytes;
  std::string words;  ///< part of the sentence
  ErrorCode code = ErrorCode::kMalformed;
};

std::string tensor(const std::string& fields) { return R"({"t":{)" + fields + "}}"; }

/// The fields of a good tensor of four bytes.
const std::string kGood = R"("dtype":"U8","shape":[4],"data_offsets":[0,4])";

/// Not one JSON object from the first byte to the last.
std::vector<BadHeader> bad_text() {
  return {
      {"Empty", "", 0, "does not start with '{'"},
      {"Array", "[]", 0, "does not start with '{'"},
      {"LeadingSpace", " {}", 0, "does not start with '{'"},
      {"InvalidUtf8", "{\"\xC3\x28\":{" + kGood + "}}", 4, "not valid UTF-8"},
      {"Truncated", R"({"t":{"dtype":"U8")", 0, "not valid JSON"},
      {"Unclosed", "{", 0, "not valid JSON"},
      {"SingleQuotes", "{'t':1}", 0, "not valid JSON"},
      {"TrailingComma", "{\"t\":{" + kGood + "},}", 4, "not valid JSON"},
      {"MissingComma", R"({"__metadata__":{"a":"b" "c":"d"}})", 0, "not valid JSON"},
      {"TextAfterTheEnd", "{} x", 0, ""},
      {"SecondObject", "{}{}", 0, "goes on after"},
      {"ExtraBrace", "{\"t\":{" + kGood + "}}}", 4, "goes on after"},
      {"TrailingZeroByte", std::string("{}\0", 3), 0, ""},
      {"LoneSurrogate", R"({"\ud800":{)" + kGood + "}}", 4, "not valid JSON"},
      {"RawControl", "{\"t\x01\":{" + kGood + "}}", 4, ""},
  };
}

/// Names, keys and fields.
std::vector<BadHeader> bad_names() {
  const std::string long_name(kMaxTensorNameBytes + 1, 'n');
  return {
      {"TensorTwice", "{\"t\":{" + kGood + "},\"t\":{" + kGood + "}}", 4,
       "\"t\" appears twice"},
      {"EscapedTwin", "{\"t\":{" + kGood + "},\"\\u0074\":{" + kGood + "}}", 4,
       "appears twice"},
      {"MetadataTwice", R"({"__metadata__":{},"__metadata__":{}})", 0, "appears twice"},
      {"FieldTwice", tensor(kGood + R"(,"dtype":"U8")"), 4, "\"dtype\" twice"},
      {"MetadataKeyTwice", R"({"__metadata__":{"k":"a","k":"b"}})", 0, "\"k\" appears twice"},
      {"MetadataNumber", R"({"__metadata__":{"k":1}})", 0, "\"k\" is not a string"},
      {"MetadataNull", R"({"__metadata__":null})", 0, "__metadata__ is not an object"},
      {"MetadataList", R"({"__metadata__":["a"]})", 0, "__metadata__ is not an object"},
      {"TensorIsNumber", R"({"t":3})", 0, "tensor \"t\" is not an object"},
      {"UnknownField", tensor(kGood + R"(,"extra":[1,{"a":2}])"), 4, "field \"extra\""},
      {"NoDtype", tensor(R"("shape":[4],"data_offsets":[0,4])"), 4, "no field \"dtype\""},
      {"NoShape", tensor(R"("dtype":"U8","data_offsets":[0,4])"), 4, "no field \"shape\""},
      {"NoOffsets", tensor(R"("dtype":"U8","shape":[4])"), 4, "no field \"data_offsets\""},
      {"EmptyName", "{\"\":{" + kGood + "}}", 4, "name of 0 bytes"},
      {"LongName", "{\"" + long_name + "\":{" + kGood + "}}", 4, "name of 1025 bytes"},
      {"DeleteInName", "{\"t\x7F\":{" + kGood + "}}", 4, "without control characters"},
      {"ControlInName", R"({"t\n":{)" + kGood + "}}", 4, "without control characters"},
  };
}

/// Number types, shapes and sizes.
std::vector<BadHeader> bad_numbers() {
  const std::string rank_17 = "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1";
  return {
      {"UnknownDtype", tensor(R"("dtype":"F128","shape":[4],"data_offsets":[0,4])"), 4,
       "dtype \"F128\"", ErrorCode::kUnsupported},
      {"DtypeNumber", tensor(R"("dtype":8,"shape":[4],"data_offsets":[0,4])"), 4,
       "dtype is not a string"},
      {"ShapeText", tensor(R"("dtype":"U8","shape":"4","data_offsets":[0,4])"), 4,
       "shape is not at most 16 whole numbers"},
      {"ShapeNegative", tensor(R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])"), 4,
       "shape is not"},
      {"ShapeFraction", tensor(R"("dtype":"U8","shape":[4.0],"data_offsets":[0,4])"), 4,
       "shape is not"},
      {"ShapeBeyond64Bits",
       tensor(R"("dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,4])"), 4,
       "shape is not"},
      {"ShapeTrailingComma", tensor(R"("dtype":"U8","shape":[4,],"data_offsets":[0,4])"), 4,
       ""},
      {"RankTooHigh",
       tensor(R"("dtype":"U8","shape":[)" + rank_17 + R"(],"data_offsets":[0,1])"), 1,
       "at most 16 whole numbers"},
      {"ProductOverflows",
       tensor(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])"), 0,
       "overflows"},
      {"BitsOverflow",
       tensor(R"("dtype":"F64","shape":[288230376151711744],"data_offsets":[0,0])"), 0,
       "overflows"},
      {"OverflowThenZero",
       tensor(R"("dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0])"), 0,
       "overflows"},
      {"HalfAByte", tensor(R"("dtype":"F4","shape":[3],"data_offsets":[0,2])"), 2,
       "takes 12 bits, expected whole bytes"},
      {"SizeTooSmall", tensor(R"("dtype":"F32","shape":[2,3],"data_offsets":[0,20])"), 20,
       "spans 20 bytes, but F32 [2, 3] takes 24"},
      {"SizeTooLarge", tensor(R"("dtype":"U8","shape":[],"data_offsets":[0,2])"), 2,
       "spans 2 bytes, but U8 [] takes 1"},
      {"OneOffset", tensor(R"("dtype":"U8","shape":[4],"data_offsets":[4])"), 4,
       "two whole numbers"},
      {"ThreeOffsets", tensor(R"("dtype":"U8","shape":[4],"data_offsets":[0,4,4])"), 4,
       "at most 2 whole numbers"},
      {"OffsetsReversed", tensor(R"("dtype":"U8","shape":[4],"data_offsets":[4,0])"), 4,
       "[4, 0], expected begin"},
      {"OffsetNegative", tensor(R"("dtype":"U8","shape":[4],"data_offsets":[-1,3])"), 4,
       "data_offsets is not"},
      {"BeyondTheEnd", tensor(R"("dtype":"U8","shape":[5],"data_offsets":[0,5])"), 4,
       "4 (data bytes)"},
  };
}

/// Tensors that do not fill the data section one after the other.
std::vector<BadHeader> bad_places() {
  return {
      {"HoleAtTheStart", tensor(R"("dtype":"U8","shape":[4],"data_offsets":[1,5])"), 5,
       "starts at data byte 1, expected 0"},
      {"HoleBetween",
       R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
       5, "tensor \"b\" starts at data byte 3, expected 2: no unnamed bytes"},
      {"Overlap",
       R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
       R"("b":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}})",
       5, "tensor \"b\" starts at data byte 2, expected 3: no overlap"},
      {"SameBytesTwice",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       4, "no overlap"},
      {"EmptyTensorInside",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
       4, "no overlap"},
      {"TrailingData", tensor(kGood), 5, "take 4 bytes, but 5 data bytes follow"},
      {"DataWithoutTensors", "{}", 1, "take 0 bytes, but 1 data bytes follow"},
  };
}

class BadHeaderTest : public testing::TestWithParam<BadHeader> {};

TEST_P(BadHeaderTest, IsRefusedWithItsReason) {
  const BadHeader& bad = GetParam();
  expect_error(parse_safetensors_header(bad.header, bad.data_bytes, "dir/m.safetensors"),
               bad.code, {"dir/m.safetensors", bad.words});
}

std::string name_of_row(const testing::TestParamInfo<BadHeader>& tested) {
  return tested.param.name;
}
INSTANTIATE_TEST_SUITE_P(Text, BadHeaderTest, testing::ValuesIn(bad_text()), name_of_row);
INSTANTIATE_TEST_SUITE_P(Names, BadHeaderTest, testing::ValuesIn(bad_names()), name_of_row);
INSTANTIATE_TEST_SUITE_P(Numbers, BadHeaderTest, testing::ValuesIn(bad_numbers()), name_of_row);
INSTANTIATE_TEST_SUITE_P(Places, BadHeaderTest, testing::ValuesIn(bad_places()), name_of_row);

TEST(SafetensorsHeader, SortsByPlaceAndKeepsMetadata) {
  const auto header =
      parse_safetensors_header(R"({"late":{"dtype":"F16","shape":[2,2],"data_offsets":[4,12]},)"
                               R"("__metadata__":{"format":"pt","é":"\"quoted\"\n"},)"
                               R"("early":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}}   )",
                               12, "f");
  ASSERT_TRUE(header.has_value()) << sentence(header);
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].name, "early");
  EXPECT_EQ(header->tensors[0].dtype, DType::kF32);
  EXPECT_TRUE(header->tensors[0].shape.empty());
  EXPECT_EQ(header->tensors[0].size_bytes, 4u);
  EXPECT_EQ(header->tensors[1].name, "late");
  EXPECT_EQ(header->tensors[1].shape, (std::vector<std::size_t>{2, 2}));
  EXPECT_EQ(header->tensors[1].offset_bytes, 4u);
  EXPECT_EQ(header->metadata.at("format"), "pt");
  EXPECT_EQ(header->metadata.at("é"), "\"quoted\"\n");
}

TEST(SafetensorsHeader, AcceptsEmptyTensorsAnywhereBetweenOthers) {
  const auto header = parse_safetensors_header(
      R"({"full":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
      R"("none_first":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
      R"("none_last":{"dtype":"F4","shape":[0],"data_offsets":[4,4]}})",
      4, "f");
  ASSERT_TRUE(header.has_value()) << sentence(header);
  EXPECT_EQ(header->tensors[0].name, "none_first");
  EXPECT_EQ(header->tensors[1].name, "full");
  EXPECT_EQ(header->tensors[2].name, "none_last");
}

TEST(SafetensorsHeader, AcceptsTheSmallest) {
  EXPECT_TRUE(parse_safetensors_header("{}", 0, "f").has_value());
  EXPECT_TRUE(parse_safetensors_header(R"({"__metadata__":{}})", 0, "f").has_value());
}

TEST(SafetensorsHeader, AcceptsSubByteTensorsOfWholeBytes) {
  EXPECT_TRUE(parse_safetensors_header(
                  tensor(R"("dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3])"), 3, "f")
                  .has_value());
}

TEST(SafetensorsHeader, AcceptsTheLongestNameAndTheHighestRank) {
  const std::string name(kMaxTensorNameBytes, 'n');
  const std::string header = "{\"" + name +
                             R"(":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,3],)"
                             R"("data_offsets":[0,3]}})";
  const auto parsed = parse_safetensors_header(header, 3, "f");
  ASSERT_TRUE(parsed.has_value()) << sentence(parsed);
  EXPECT_EQ(parsed->tensors[0].shape.size(), kMaxTensorRank);
}

TEST(SafetensorsHeader, SurvivesEveryTruncationAndEveryChangedByte) {
  const std::string good = R"({"__metadata__":{"a":"b"},"t":{"dtype":"F32","shape":[2],)"
                           R"("data_offsets":[0,8]}})";
  ASSERT_TRUE(parse_safetensors_header(good, 8, "f").has_value());
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(parse_safetensors_header(good.substr(0, length), 8, "f").has_value())
        << length;
  }
  for (std::size_t place = 0; place < good.size(); ++place) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = good;
      changed[place] = static_cast<char>(byte);
      const auto parsed = parse_safetensors_header(changed, 8, "f");
      if (parsed.has_value()) {  // a letter of a name or another spelling, never other numbers
        EXPECT_EQ(parsed->tensors.at(0).size_bytes, 8u) << changed;
      }
    }
  }
}

}  // namespace
}  // namespace trine::base
