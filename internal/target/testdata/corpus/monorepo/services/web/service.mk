##@ Services
ALL += web
.PHONY: web web-run web-shell
web: ## Build web
	$(MAKE) -C services/web build
web-run: web
	services/web/web
web-shell:
	docker exec -it web sh
