##@ Terminal

.PHONY: asks
asks: ## @tty Ask a question and wait for the answer
	@printf 'What is your name? '; read -r answer; \
	printf 'Nice to meet you, %s.\n' "$$answer"

.PHONY: colours
colours: ## The sixteen colours and some styles
	@for c in 30 31 32 33 34 35 36 37 90 91 92 93 94 95 96 97; do \
		printf '\033[%dm %3d \033[0m' $$c $$c; \
	done; printf '\n'
	@printf '\033[1mbold\033[0m \033[3mitalic\033[0m \033[4munderlined\033[0m \033[7mreversed\033[0m\n'

.PHONY: progress-bar
progress-bar: ## A bar that redraws its own line
	@i=0; while [ $$i -le $(COUNT) ]; do \
		printf '\r[%-20s] %3d%%' \
			"$$(awk -v n=$$((i * 20 / $(COUNT))) 'BEGIN { while (n-- > 0) printf "#" }')" \
			$$((i * 100 / $(COUNT))); \
		[ $$i -eq $(COUNT) ] || sleep 1; i=$$((i + 1)); \
	done; printf '\n'
