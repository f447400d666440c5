#include "server/page.h"

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "server/page_asset.h"

namespace trine::server {
namespace {

/// 128 random bits. Who cannot guess it cannot make a script that runs.
std::string fresh_nonce() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device random;
  std::string nonce;
  for (int i = 0; i < 4; ++i) {
    for (std::uint32_t bits = random(), left = 8; left > 0; --left, bits >>= 4) {
      nonce += kDigits[bits & 15U];
    }
  }
  return nonce;
}

/// Every {{name}} of the template replaced in one pass: what is filled in is never looked at.
/// Other braces, which scripts have, stay.
std::string filled(std::string_view page,
                   const std::array<std::pair<std::string_view, std::string_view>, 3>& values) {
  std::string text;
  while (!page.empty()) {
    const std::size_t begin = page.find("{{");
    text.append(page.substr(0, begin));
    if (begin == std::string_view::npos) break;
    page.remove_prefix(begin);
    std::string_view taken = page.substr(0, 2), shown = taken;
    for (const auto& [placeholder, value] : values) {
      if (page.starts_with(placeholder)) {
        taken = placeholder;
        shown = value;
      }
    }
    text.append(shown);
    page.remove_prefix(taken.size());
  }
  return text;
}

}  // namespace

HttpResponse page_response() {
  const std::string nonce = fresh_nonce();
  const std::string script =
      std::string(page_markdown()).append(page_server()).append(page_chat());
  HttpResponse response{.content_type = "text/html; charset=utf-8"};
  response.body = filled(
      page_html(), {{{"{{nonce}}", nonce}, {"{{style}}", page_css()}, {"{{script}}", script}}});
  response.headers = {
      {"Content-Security-Policy", "default-src 'none'; script-src 'nonce-" + nonce +
                                      "'; style-src 'nonce-" + nonce +
                                      "'; img-src data:; connect-src 'self'; base-uri 'none'; "
                                      "form-action 'none'; frame-ancestors 'none'"},
      {"Cache-Control", "no-store"},  // the number is for one response
      {"Referrer-Policy", "no-referrer"},
      {"X-Content-Type-Options", "nosniff"}};
  return response;
}

}  // namespace trine::server
