import { fireEvent, render, screen } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import LogView from './LogView.svelte';

function setup(following: boolean) {
  const onscroll = vi.fn();
  render(LogView, { rows: [], total: 10_000, top: 9_000, following, label: 'Output', onresize: () => {}, onscroll, onselect: () => {}, oncopy: () => null, onkeydown: () => {} });
  return { onscroll, region: screen.getByRole('region') };
}

const scroll = async (region: HTMLElement, to: number) => {
  region.scrollTop = to;
  await fireEvent.scroll(region);
};

describe('a log view', () => {
  // Panes put side by side make the view smaller, the browser moves what is scrolled, and the log was paused as if
  // the operator had scrolled up: it stood still until the job had ended.
  it('is not paused by a change of the layout while it follows', async () => {
    const { onscroll, region } = setup(true);
    await scroll(region, 100);
    expect(onscroll).not.toHaveBeenCalled();
  });
  it('follows the scrollbar when it is pressed', async () => {
    const { onscroll, region } = setup(true);
    await fireEvent.pointerDown(region);
    await scroll(region, 100);
    expect(onscroll).toHaveBeenCalledOnce();
    await fireEvent.pointerUp(document);
    await scroll(region, 300);
    expect(onscroll).toHaveBeenCalledOnce();
  });
  it('scrolls freely while it is paused', async () => {
    const { onscroll, region } = setup(false);
    await scroll(region, 100);
    expect(onscroll).toHaveBeenCalledOnce();
  });
});
