build/sub/made: $(addprefix build/sub/part-,1 2 3 4 5 6)
	@cat $(sort $^) > $@
	@echo "made at depth $(DEPTH), of $(words $^) parts"

build/sub/part-%:
	@sleep 0.0$$((7 - $*)); echo "part $*" > $@
