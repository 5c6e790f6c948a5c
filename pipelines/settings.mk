# What may be given on the command line: what the makefiles read so far and those of READ set with ?=,
# and ALSO; PTD_NAME for the programs. Anything else is refused, as a misspelt option is: make itself
# would go on without a word.
SETTABLE := $(sort $(ALSO) $(shell sed -n 's/^\([A-Z_a-z]*\) *?=.*/\1/p' $(MAKEFILE_LIST) $(READ)))
given    := $(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $v)),$v))
stray    := $(filter-out $(SETTABLE) PTD_%,$(given))
# What make itself is called by was looked at where it was given.
$(if $(filter 0,$(MAKELEVEL)),$(if $(stray),$(error no setting $(stray): expected some of $(subst %,NAME,$(SETTABLE)))))
