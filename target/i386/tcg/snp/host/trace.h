#include "trace/trace-target_i386_tcg_snp_host.h"
