# install.mk: the manual, what goes where on a machine, a source archive, a Debian package.
#
#     make install PREFIX=/usr/local DESTDIR=
#     make deb ARCH=x86-64-v3           for machines with AVX2
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  := $(shell sed -n 's/^.define PTD_VERSION "\(.*\)"/\1/p' lib/base/opt.h)
DATE     := $(shell sed -n 's/^.define PTD_DATE *"\(.*\)".*/\1/p' lib/base/opt.h)
MANUAL   := $(BUILD)/manual
PAGES     = $(wildcard $(MANUAL)/man*/*)
HEADERS  := $(filter-out %_private.h,$(foreach r,$(ROOMS),$(wildcard lib/$r/*.h)))
AT        = '$(subst ','\'',$(DESTDIR)$(PREFIX))'
COMPLETE := share/bash-completion/completions
ZSH      := share/zsh/vendor-completions

.PHONY: manual install uninstall dist deb rooted
# What is found from anywhere begins at the root.
rooted:
	@case '$(PREFIX)' in /* | '') ;; *) echo 'PREFIX=$(PREFIX): expected a path from the root' >&2; exit 2 ;; esac
manual: all
	@lib/manual/pages.sh $(abspath $(BIN)) $(abspath $(MANUAL)) "$(DATE)"

install: rooted manual $(BUILD)/libptd.a
	install -d $(AT)/bin $(AT)/lib/pkgconfig $(AT)/$(COMPLETE) $(AT)/$(ZSH) $(AT)/share/doc/ptd
	install -m 755 $(STAGES) $(GPU_PLUGIN) $(MPI_PLUGIN) $(AT)/bin
	install -m 644 $(BUILD)/libptd.a $(AT)/lib
	printf '%s\n' prefix='$(subst ','\'',$(PREFIX))' 'Name: ptd' 'Description: training of vision-language models by filters: streams, stores, the network' \
	    'Version: $(VERSION)' 'Cflags: -I"$${prefix}/include/ptd" -D_GNU_SOURCE' 'Libs: -L"$${prefix}/lib" -lptd $(LIBS)' \
	    > $(AT)/lib/pkgconfig/ptd.pc
	for h in $(HEADERS:lib/%=%); do install -D -m 644 lib/$$h $(AT)/include/ptd/$$h || exit; done
	for p in $(PAGES:$(MANUAL)/%=%); do install -D -m 644 $(MANUAL)/$$p $(AT)/share/man/$$p || exit; done
	install -m 644 $(MANUAL)/completion/ptd $(AT)/$(COMPLETE)/ptd
	for s in $(notdir $(filter-out %/ptd,$(STAGES))); do ln -sf ptd $(AT)/$(COMPLETE)/$$s || exit; done
	install -m 644 $(MANUAL)/completion/_ptd $(AT)/$(ZSH)/_ptd
	install -m 644 README.md LICENSE NOTICE $(AT)/share/doc/ptd
	install -D -m 644 lib/python/ptd.py $(AT)/share/ptd/ptd.py
# What install puts there, and no more.
uninstall: rooted manual
	cd $(AT) && rm -f $(patsubst %,bin/%,$(notdir $(STAGES) $(GPU_PLUGIN) $(MPI_PLUGIN))) lib/libptd.a lib/pkgconfig/ptd.pc $(HEADERS:lib/%=include/ptd/%) \
	    $(PAGES:$(MANUAL)/%=share/man/%) $(patsubst %,$(COMPLETE)/%,$(notdir $(STAGES))) $(ZSH)/_ptd \
	    $(addprefix share/doc/ptd/,README.md LICENSE NOTICE) share/ptd/ptd.py
	cd $(AT) && for d in include/ptd share/doc/ptd share/ptd; do [ ! -d $$d ] || find $$d -depth -type d -empty -delete; done

# The files that git knows, as they are.
dist:
	mkdir -p build
	git ls-files -z | tar --null -T - --transform 's|^|ptd-$(VERSION)/|' --owner=0 --group=0 --sort=name -czf build/ptd-$(VERSION).tar.gz
	@echo build/ptd-$(VERSION).tar.gz

# A package for this distribution, into build/. ARCH=native would be for this machine alone.
DEB      := $(abspath build/deb)
DEB_ARCH  = $(if $(filter native,$(ARCH)),x86-64-v3,$(ARCH))
deb:
	+$(MAKE) --no-print-directory deps DEBS="$(DEBS) dpkg-dev"
	rm -rf $(DEB)
	$(AGAIN) install CUDA=0 BUILD=build/package BIN=build/package/bin ARCH=$(DEB_ARCH) PREFIX=/usr DESTDIR=$(DEB)/ptd
	@lib/manual/deb.sh $(DEB) $(VERSION) "$(DATE)" $(DEB_ARCH)
