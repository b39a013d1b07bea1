##@ Services
ALL += api
.PHONY: api api-run api-shell
api: ## Build api
	$(MAKE) -C services/api build
api-run: api
	services/api/api
api-shell:
	docker exec -it api sh
