// The page as it is sent; tests/page/page_test.py looks at it in a browser.
#include "server/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace trine::server {
namespace {

std::string header_of(const HttpResponse& response, std::string_view name) {
  const auto found = std::find_if(response.headers.begin(), response.headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == response.headers.end() ? std::string() : found->second;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string nonce_of(const HttpResponse& response) {
  const std::string policy = header_of(response, "Content-Security-Policy");
  const std::size_t begin = policy.find("'nonce-") + 7;
  return policy.substr(begin, policy.find('\'', begin) - begin);
}

TEST(Page, AllowsItsOwnScriptAndStyleOnly) {
  const HttpResponse response = page_response();
  const std::string nonce = nonce_of(response);
  EXPECT_EQ(nonce.size(), 32u);
  EXPECT_EQ(nonce.find_first_not_of("0123456789abcdef"), nonce.npos);
  EXPECT_EQ(count_of(response.body, "nonce=\"" + nonce + "\""), 2u);
  EXPECT_EQ(count_of(response.body, "<script"), 1u);
  EXPECT_EQ(count_of(response.body, "<style"), 1u);
  EXPECT_EQ(count_of(response.body, " style=") + count_of(response.body, " onclick="), 0u);
}

TEST(Page, DrawsANewNumberForEveryResponse) {
  EXPECT_NE(nonce_of(page_response()), nonce_of(page_response()));
}

TEST(Page, IsFilledIn) {
  const std::string page = page_response().body;
  for (const char* place : {"{{nonce}}", "{{style}}", "{{script}}"}) {
    EXPECT_EQ(count_of(page, place), 0u) << place;
  }
  EXPECT_EQ(count_of(page, "function showMarkdown"), 1u);
  EXPECT_EQ(count_of(page, "prefers-reduced-motion"), 1u);
}

}  // namespace
}  // namespace trine::server
