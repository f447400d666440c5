// POST /v1/completions and POST /v1/chat/completions.
#pragma once

#include <memory>

#include "server/http_exchange.h"
#include "server/server_state.h"

namespace trine::server {

void handle_completion(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                       const HttpRequest& request);
void handle_chat(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                 const HttpRequest& request);

}  // namespace trine::server
