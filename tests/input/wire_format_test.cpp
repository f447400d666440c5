#include "input/wire_format.h"

#include <gtest/gtest.h>

#include <string>

#include "support/expect_error.h"

namespace trine::input {
namespace {

using testing_support::expect_error;

/// The bytes of a message, zeros included.
template <std::size_t size>
std::string_view bytes(const char (&text)[size]) {
  return {text, size - 1};
}

TEST(WireReader, ReadsFieldsOfEveryType) {
  // Field 1: 150 (the example of the format's documentation); 2: "hi"; 3: 32 bits; 4: 64 bits.
  WireReader reader(
      bytes("\x08\x96\x01\x12\x02hi\x1D\x04\x03\x02\x01"
            "\x21\x08\x07\x06\x05\x04\x03\x02\x01"));
  auto field = reader.next().value().value();
  EXPECT_EQ(field.number, 1u);
  EXPECT_EQ(field.type, WireType::kVarint);
  EXPECT_EQ(field.value, 150u);
  field = reader.next().value().value();
  EXPECT_EQ(field.number, 2u);
  EXPECT_EQ(field.type, WireType::kBytes);
  EXPECT_EQ(field.bytes, "hi");
  field = reader.next().value().value();
  EXPECT_EQ(field.type, WireType::kFixed32);
  EXPECT_EQ(field.value, 0x01020304u);
  field = reader.next().value().value();
  EXPECT_EQ(field.number, 4u);
  EXPECT_EQ(field.type, WireType::kFixed64);
  EXPECT_EQ(field.value, 0x0102030405060708u);
  EXPECT_FALSE(reader.next().value().has_value());
  EXPECT_FALSE(reader.next().value().has_value());
}

TEST(WireReader, ReadsTheLargestNumbers) {
  WireReader reader(bytes("\xF8\xFF\xFF\xFF\x0F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"));
  const auto field = reader.next().value().value();
  EXPECT_EQ(field.number, (1u << 29) - 1);
  EXPECT_EQ(field.value, ~std::uint64_t{0});
}

TEST(WireReader, SaysWhereAMessageIsWrong) {
  const auto refuse = [](std::string_view message, std::string_view words) {
    WireReader reader(message);
    expect_error(reader.next(), ErrorCode::kMalformed, {words});
  };
  refuse(bytes("\x80"), "a number that does not end before byte 1 of 1");
  refuse(bytes("\x08"), "a number that does not end before byte 1 of 1");
  refuse(bytes("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"), "more than 64 bits");
  refuse(bytes("\x0D\x01\x02\x03"), "a number that does not end before byte 1 of 4");
  refuse(bytes("\x09\x01\x02\x03\x04\x05\x06\x07"), "a number that does not end");
  refuse(bytes("\x0A\x03hi"), "a field that ends beyond its message before byte 2 of 4");
  refuse(bytes("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "ends beyond its message");
  refuse(bytes("\x0A"), "a number that does not end");
  refuse(bytes("\x00\x01"), "a field number out of range");
  refuse(bytes("\x80\x80\x80\x80\x10\x01"), "a field number out of range");
  for (const char type : {'\x0B', '\x0C', '\x0E', '\x0F'}) {
    refuse(std::string_view(&type, 1), "a field of a type that is not in use");
  }
}

}  // namespace
}  // namespace trine::input
