// Which function answers which request, and what all requests go through first.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/api_error.h"
#include "server/http_exchange.h"
#include "server/server_state.h"

namespace trine::server {

/// Checks origin and key, finds the route, and answers or refuses.
void dispatch(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
              HttpRequest request);

void respond_with(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                  const HttpRequest& request, HttpResponse response);
void refuse_with(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                 const HttpRequest& request, const ApiError& error);

/// What a browser needs to let the page at the request's origin read the answer.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> origin_headers(
    const ServerState& server, const HttpRequest& request);

}  // namespace trine::server
