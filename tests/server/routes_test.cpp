// Which hosts a server without keys answers for.
#include "server/routes.h"

#include <gtest/gtest.h>

namespace trine::server {
namespace {

TEST(IsOwnHost, TakesAddressesAndLocalNamesOnly) {
  ServeOptions options;
  options.host = "models.example.org";
  options.allowed_origins = {"https://chat.example.org:8443"};
  for (const char* host : {"", "127.0.0.1", "127.0.0.1:8080", "192.168.1.2:80", "[::1]:8080",
                           "localhost", "LocalHost:8080", "models.example.org:8080",
                           "Models.Example.org.", "chat.example.org", "compose-service:80"}) {
    EXPECT_TRUE(is_own_host(options, host)) << host;
  }
  for (const char* host : {"evil.example", "evil.example:8080", "127.0.0.1.evil.example:80",
                           "localhost.evil.example", "example.org"}) {
    EXPECT_FALSE(is_own_host(options, host)) << host;
  }
  options.allowed_origins = {"*"};
  EXPECT_TRUE(is_own_host(options, "any.example"));
}

}  // namespace
}  // namespace trine::server
