// Refusals in the form OpenAI's clients understand.
#pragma once

#include <string>

#include "server/http_exchange.h"

namespace trine::server {

/// {"error":{"message","type","param","code"}} with a status; type and code follow from the status
/// unless `code` is given.
struct ApiError {
  unsigned status = 400;
  std::string message{};  ///< one sentence
  std::string param{};    ///< the field at fault; empty: null
  std::string code{};     ///< for example "context_length_exceeded"; empty: that of the status
};

[[nodiscard]] HttpResponse error_response(const ApiError& error);
/// The JSON alone, as streams send it.
[[nodiscard]] std::string error_body(const ApiError& error);

}  // namespace trine::server
