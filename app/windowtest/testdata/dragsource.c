/* A small window at the edge of the screen from which a folder, or a link, can be dragged. */
#include <gtk/gtk.h>
#include <stdio.h>

static char *uris[2];

static void get(GtkWidget *w, GdkDragContext *c, GtkSelectionData *data, guint info, guint time, gpointer p) {
	gtk_selection_data_set_uris(data, uris);
}

static void begun(GtkWidget *w, GdkDragContext *c, gpointer p) {
	puts("dragging");
	fflush(stdout);
}

static void ended(GtkWidget *w, GdkDragContext *c, gpointer p) {
	puts("dropped");
	fflush(stdout);
}

int main(int argc, char **argv) {
	gtk_init(&argc, &argv);
	uris[0] = g_str_has_prefix(argv[1], "http") ? argv[1] : g_filename_to_uri(argv[1], NULL, NULL);
	GtkWidget *window = gtk_window_new(GTK_WINDOW_POPUP), *box = gtk_event_box_new();
	GtkTargetEntry list = {"text/uri-list", 0, 0};
	gtk_drag_source_set(box, GDK_BUTTON1_MASK, &list, 1, GDK_ACTION_COPY);
	g_signal_connect(box, "drag-data-get", G_CALLBACK(get), NULL);
	g_signal_connect(box, "drag-begin", G_CALLBACK(begun), NULL);
	g_signal_connect(box, "drag-end", G_CALLBACK(ended), NULL);
	gtk_container_add(GTK_CONTAINER(window), box);
	gtk_window_resize(GTK_WINDOW(window), 120, 80);
	gtk_window_move(GTK_WINDOW(window), 0, 0);
	gtk_widget_show_all(window);
	puts("there");
	fflush(stdout);
	gtk_main();
	return 0;
}
