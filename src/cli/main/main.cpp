#include "cli/commands.h"

int main(int argc, char** argv) { return trine::cli::run(argc, argv); }
