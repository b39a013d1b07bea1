/* Links that somebody follows in the fake backend, by the page's address: ?fake=link, ?fake=link-hosts, … */

import { AppError, type Followed, type Wish } from './types';

const wish = (link: string, over: Partial<Wish>): Followed => ({ link, job: '', mine: false, line: 0, wish: { project: '', dir: '/home/ada/src/shop', known: true, target: 'deploy', hosts: [], vars: [], ...over } });

export const LINKS: Record<string, Followed | AppError> = {
  link: wish('vmo://run?project=shop&target=deploy&var.ENV=production&var.VERSION=1.4.2', { project: 'shop', vars: [{ name: 'ENV', value: 'production' }, { name: 'VERSION', value: '1.4.2' }] }),
  'link-hosts': wish('vmo://run?dir=~/shop&target=deploy&host=web1&host=web2&var.ENV=staging', {
    dir: '~/shop', target: 'deploy', known: false, hosts: [{ name: 'web1', known: true, environment: 'production' }, { name: 'web2', known: true, environment: 'production' }], vars: [{ name: 'ENV', value: 'staging' }],
  }),
  'link-stranger': wish('vmo://run?dir=~/shop&target=restart&host=web1&host=evil.example', { dir: '~/shop', target: 'restart', known: false, hosts: [{ name: 'web1', known: true, environment: 'production' }, { name: 'evil.example', known: false, environment: '' }] }),
  'link-folder': wish('vmo://run?dir=/home/ada/Downloads/kit&target=build', { dir: '/home/ada/Downloads/kit', target: 'build', known: false }),
  'link-missing': wish('vmo://run?dir=/mnt/usb/gone&target=build', { project: 'gone', dir: '/mnt/usb/gone', target: 'build' }),
  'link-gone': wish('vmo://run?project=shop&target=release', { project: 'shop', target: 'release' }),
  'link-variable': wish('vmo://run?project=shop&target=deploy&var.WHERE=here', { project: 'shop', vars: [{ name: 'WHERE', value: 'here' }] }),
  'link-bad': new AppError('invalid', 'invalid link: the value of VERSION has more than letters, digits, spaces and . _ - / : @ , + = %, which a shell or make could take for something to do', 'Ask for a new one where it came from. What links look like is in docs/links.md.'),
};
