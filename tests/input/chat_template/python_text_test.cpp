// Work on texts that the budget of a rendering does not see must stay small by itself.
#include "input/chat_template/python_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace trine::input::chat_template {
namespace {

TEST(Strip, TakesTimeForTextAndSetOnce) {
  std::string set;  // 20,000 characters of three bytes; the last is the one in the text
  for (unsigned code = 0x4E00; code < 0x4E00 + 20'000; ++code) {
    set += static_cast<char>(0xE0 | (code >> 12));
    set += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    set += static_cast<char>(0x80 | (code & 0x3F));
  }
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += set.substr(set.size() - 3);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(strip(text + "x" + text, set, Side::kBoth), "x");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace trine::input::chat_template
