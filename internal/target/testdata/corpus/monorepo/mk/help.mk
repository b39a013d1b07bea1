.DEFAULT_GOAL := help
.PHONY: help
help: ## This text
	@cat $(MAKEFILE_LIST) | grep '##'
