# Ranks talk by MPI through a library that ptd-update opens at run time; where mpicc is there it is
# made by itself, MPI=0 leaves it out, MPI=1 insists.
MPI      ?= $(if $(MPICC),1,0)
MPICC    := $(shell command -v mpicc)
MPI_PLUGIN = $(if $(filter-out 0,$(MPI)),$(BIN)/libptd-mpi.so)
MPI_DEBS := openmpi-bin libopenmpi-dev

.PHONY: mpi
mpi: $(MPI_PLUGIN)
$(BIN)/libptd-mpi.so: lib/compute/mpi/engine_mpi.c lib/compute/engine.h $(BIN)/.built | $(BUILD) $(BIN)
	@[ -n "$(MPICC)" ] || { echo "MPI=1: expected mpicc; Debian has it in $(MPI_DEBS)"; exit 1; }
	$(MPICC) -std=gnu11 $(WARN) -D_GNU_SOURCE -Ilib -O2 -g -fPIC -shared -o $@ $<
