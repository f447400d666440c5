#include "server/api_error.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace trine::server {
namespace {

struct Kind {
  unsigned status;
  std::string_view type;
  std::string_view code;  ///< empty: null
};

constexpr std::array kKinds = {
    Kind{400, "invalid_request_error", ""},
    Kind{401, "authentication_error", "invalid_api_key"},
    Kind{403, "permission_error", "origin_not_allowed"},
    Kind{404, "not_found_error", "not_found"},
    Kind{405, "invalid_request_error", "method_not_allowed"},
    Kind{408, "invalid_request_error", "timeout"},
    Kind{413, "invalid_request_error", "body_too_large"},
    Kind{429, "rate_limit_error", "queue_full"},
    Kind{431, "invalid_request_error", "header_too_large"},
    Kind{500, "server_error", "internal_error"},
    Kind{501, "not_supported_error", "not_supported"},
    Kind{503, "unavailable_error", "unavailable"},
};

Kind kind_of(unsigned status) {
  for (const Kind& kind : kKinds) {
    if (kind.status == status) return kind;
  }
  return kKinds.front();
}

nlohmann::ordered_json text_or_null(std::string_view text) {
  return text.empty() ? nlohmann::ordered_json(nullptr)
                      : nlohmann::ordered_json(std::string(text));
}

}  // namespace

std::string error_body(const ApiError& error) {
  const Kind kind = kind_of(error.status);
  const nlohmann::ordered_json body = {
      {"error",
       {{"message", error.message},
        {"type", kind.type},
        {"param", text_or_null(error.param)},
        {"code",
         text_or_null(error.code.empty() ? kind.code : std::string_view(error.code))}}}};
  // Messages quote what clients sent, which need not be UTF-8.
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

HttpResponse error_response(const ApiError& error) {
  return {.status = error.status, .body = error_body(error)};
}

}  // namespace trine::server
